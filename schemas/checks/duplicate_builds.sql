-- A build comes twice for a target.
-- severity: error
with hashes as (
    select hash(account_id, region, arn) as key_hash
    from image_builds
    where arn is not null
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
    format('{} has {:d} rows', arn, count(*)) as what
from image_builds
where
    arn is not null
    and hash(account_id, region, arn) in (select key_hash from suspects)
group by account_id, region, arn
having count(*) > 1
