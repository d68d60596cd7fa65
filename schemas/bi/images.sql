-- The images: every one of which a build was ever listed, those whose builds are all gone too. How old
-- the listed ones are is in bi.image_age.
-- grain: one row an image (image_key)
-- asks: Which images have no build listed any more?
-- example: select name, account_id, region, build_count, newest_created_at_utc from bi.images where not is_present order by newest_created_at_utc desc
-- column image_key: The image: account_id/region/image_owner_account/image_slug.
-- column target_key: Joins to bi.targets: account_id/region.
-- column name: The image's name in its newest build by creation time.
-- column platform: The platform of that build.
-- column type: The type of that build.
-- column build_count: Builds of the image that were ever listed.
-- column listed_count: Those of them that are listed now.
-- column is_present: True where a build of the image is listed now.
-- column first_created_at_utc: When the oldest of its builds was created (UTC).
-- column newest_created_at_utc: When the newest of its builds was created (UTC).
-- column newest_created_date: The UTC day of that: joins to bi.calendar.
-- measure image_count = count(*): images
-- measure present_count = count(*) filter (where is_present): images that have builds listed
with images as (
    select
        account_id,
        region,
        image_owner_account,
        image_slug,
        count(*) as build_count,
        count(*) filter (where is_present) as listed_count,
        min(created_at) as first_created_at,
        max(created_at) as newest_created_at,
        max({
            'at': coalesce(created_at, timestamptz 'epoch'),
            'arn': arn,
            'name': name,
            'platform': platform,
            'type': type
        }) as newest
    from main.last_known_builds
    where image_slug is not null
    group by all
)

select
    concat_ws('/', account_id, region, image_owner_account, image_slug) as image_key,
    concat_ws('/', account_id, region) as target_key,
    account_id,
    region,
    image_owner_account,
    image_slug,
    newest.name,
    newest.platform,
    newest.type,
    build_count,
    listed_count,
    listed_count > 0 as is_present,
    first_created_at at time zone 'UTC' as first_created_at_utc,
    newest_created_at at time zone 'UTC' as newest_created_at_utc,
    (newest_created_at at time zone 'UTC')::date as newest_created_date
from images
