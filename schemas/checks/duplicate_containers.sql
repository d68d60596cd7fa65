-- A container image comes twice at one place of its build.
-- severity: error
with suspects as (
    select hash(account_id, region, image_arn, position, uri_position) as key_hash
    from image_containers
    where image_arn is not null
    group by key_hash
    having count(*) > 1
)
select
    account_id,
    region,
    format('{} container {:d} has {:d} rows for one URI', image_arn, position, count(*)) as what
from image_containers
where
    image_arn is not null
    and hash(account_id, region, image_arn, position, uri_position) in (select key_hash from suspects)
group by account_id, region, image_arn, position, uri_position
having count(*) > 1
