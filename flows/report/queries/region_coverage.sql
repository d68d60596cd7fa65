-- In which AMI regions each image's newest AVAILABLE build has an AMI, in how many accounts there, and
-- which version is the last to have one where it misses. The images that miss most come first.
-- more: select account_id, region, image_owner_account, image_slug, list(distinct ami_region) filter (where is_missing_in_newest) as missing from ami_region_coverage group by all
with by_region as (
    select
        c.account_id,
        c.region,
        c.image_owner_account,
        c.image_slug,
        c.name,
        c.ami_region,
        count(*) as places,
        count(*) filter (where c.is_missing_in_newest) as missing,
        arg_max(
            regexp_extract(c.last_arn, ':image/[^/]+/(.+)$', 1),
            {
                'major': coalesce(b.version_major, -1),
                'minor': coalesce(b.version_minor, -1),
                'patch': coalesce(b.version_patch, -1),
                'number': coalesce(b.build_number, -1),
                'arn': c.last_arn
            }
        ) filter (where c.is_missing_in_newest) as last_version
    from ami_region_coverage as c
    left join current_builds as b
        on b.account_id = c.account_id and b.region = c.region and b.arn = c.last_arn
    group by all
),
with_total as (
    select
        *,
        sum(missing) over (
            partition by account_id, region, image_owner_account, image_slug
        ) as missing_in_all
    from by_region
),
ranked as (
    select
        *,
        dense_rank() over (
            order by
                missing_in_all desc, name, account_id, region, image_owner_account, image_slug
        ) as place
    from with_total
)
select
    place,
    name,
    account_id,
    region,
    ami_region,
    places,
    missing,
    last_version,
    (select max(place) from ranked) as total_rows
from ranked
where place <= 24
order by place, ami_region
