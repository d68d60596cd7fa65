-- A container image comes twice at one place of its build.
-- severity: error
with hashes as (
    select hash(account_id, region, image_arn, position, uri_position) as key_hash
    from image_containers
    where image_arn is not null
),

suspects as (
    select key_hash
    from hashes
    -- to count them by group would take twice the memory
    qualify row_number() over (partition by key_hash) > 1
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
