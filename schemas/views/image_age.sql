-- How old each image is: the age of its golden build (golden_images) in days as of the query's now(),
-- for every image that has builds listed. An image without one has no age: succeeded_count tells
-- whether it ever had.
-- grain: one row an image (account_id, region, image_owner_account, image_slug)
-- asks: Which images have no golden build, or the oldest?
-- example: select name, age_days, golden_arn, newest_created_at from image_age order by age_days desc nulls first limit 10
-- clock: age_days
-- column name: The image's name in its newest build by creation time.
-- column platform: The platform of that build.
-- column build_count: Builds of the image that are listed now.
-- column succeeded_count: Those of them that came to be AVAILABLE: AVAILABLE, DEPRECATED or DISABLED; 0 where no listed build ever succeeded.
-- column newest_created_at: When the newest build in any state was created.
-- column newest_state_status: The state of that build.
-- column golden_arn: The golden build; NULL where the image has none.
-- column golden_created_at: When it was created.
-- column age_days: Whole days of 24 hours since then; NULL where the image has no golden build.
with images as (
    select
        account_id,
        region,
        image_owner_account,
        image_slug,
        count(*) as build_count,
        count(*) filter (
            where state_status in ('AVAILABLE', 'DEPRECATED', 'DISABLED')
        ) as succeeded_count,
        max(created_at) as newest_created_at,
        max({
            'at': coalesce(created_at, timestamptz 'epoch'),
            'arn': arn,
            'name': name,
            'platform': platform,
            'state_status': state_status
        }) as newest
    from current_builds
    where image_slug is not null
    group by all
)
select
    i.account_id,
    i.region,
    i.image_owner_account,
    i.image_slug,
    i.newest.name,
    i.newest.platform,
    i.build_count,
    i.succeeded_count,
    i.newest_created_at,
    i.newest.state_status as newest_state_status,
    g.arn as golden_arn,
    g.semantic_version,
    g.build_number,
    g.created_at as golden_created_at,
    floor((epoch_us(now()) - epoch_us(g.created_at)) / 86400e6)::bigint as age_days
from images as i
left join golden_images as g
    on
        g.account_id = i.account_id
        and g.region = i.region
        and g.image_owner_account is not distinct from i.image_owner_account
        and g.image_slug = i.image_slug
