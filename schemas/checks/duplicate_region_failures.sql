-- A failure comes twice at one place of its build or AMI.
-- severity: error
with hashes as (
    select hash(account_id, region, image_arn, ami_position, position) as key_hash
    from image_region_failures
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
    format('{} failure {:d} has {:d} rows', image_arn, position, count(*)) as what
from image_region_failures
where
    image_arn is not null
    and hash(account_id, region, image_arn, ami_position, position) in (select key_hash from suspects)
group by account_id, region, image_arn, ami_position, position
having count(*) > 1
