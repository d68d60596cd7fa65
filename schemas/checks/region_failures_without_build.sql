-- A failure in a region belongs to no build.
-- severity: error
with known as (
    select distinct hash(account_id, region, arn) as build_hash
    from image_builds
)
select
    account_id,
    region,
    format('{} is no build of the target', coalesce(image_arn, 'NULL')) as what
from image_region_failures
where image_arn is null or hash(account_id, region, image_arn) not in (select build_hash from known)
group by account_id, region, image_arn
