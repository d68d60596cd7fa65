-- The images that have builds listed, and how old each is: the age of its golden build in days as of the
-- query's now().
-- grain: one row an image (image_key)
-- asks: Which images have no golden build, or the oldest?
-- example: select name, age_days, golden_arn, newest_created_at_utc from bi.image_age order by age_days desc nulls first limit 10
-- clock: age_days, age_band
-- column target_key: Joins to bi.targets: account_id/region.
-- column image_key: Joins to bi.images, one to one: account_id/region/image_owner_account/image_slug.
-- column name: The image's name in its newest build by creation time.
-- column platform: The platform of that build.
-- column build_count: Builds of the image that are listed now.
-- column succeeded_count: Those of them that came to be AVAILABLE: AVAILABLE, DEPRECATED or DISABLED; 0 where no listed build ever succeeded.
-- column newest_created_at_utc: When the newest build in any state was created (UTC).
-- column newest_created_date: The UTC day of that: joins to bi.calendar.
-- column newest_state_status: The state of that build.
-- column golden_build_key: Joins to bi.builds: the golden build; NULL where the image has none.
-- column golden_arn: The golden build's ARN.
-- column golden_created_at_utc: When it was created (UTC).
-- column has_golden: True where the image has a golden build.
-- column age_days: Whole days of 24 hours since the golden build was created; NULL where the image has none.
-- column age_band: age_days as a band that sorts: 000-030 days, 031-060 days, 061-090 days, 091-180 days, over 180 days; no golden build where there is none.
-- measure image_count = count(*): images
-- measure without_golden_count = count(*) filter (where not has_golden): images without a golden build
-- measure average_age_days = avg(age_days): the age of the golden builds on average
-- measure over_90_days_count = count(*) filter (where age_days > 90): images whose golden build is older than 90 days
select
    concat_ws('/', account_id, region, image_owner_account, image_slug) as image_key,
    concat_ws('/', account_id, region) as target_key,
    account_id,
    region,
    image_owner_account,
    image_slug,
    name,
    platform,
    build_count,
    succeeded_count,
    newest_created_at at time zone 'UTC' as newest_created_at_utc,
    (newest_created_at at time zone 'UTC')::date as newest_created_date,
    newest_state_status,
    golden_arn is not null as has_golden,
    case
        when golden_arn is not null
            then md5_number_lower(concat_ws('|', account_id, region, golden_arn))::varchar
    end as golden_build_key,
    golden_arn,
    semantic_version,
    build_number,
    golden_created_at at time zone 'UTC' as golden_created_at_utc,
    age_days,
    case
        when golden_arn is null then 'no golden build'
        when age_days <= 30 then '000-030 days'
        when age_days <= 60 then '031-060 days'
        when age_days <= 90 then '061-090 days'
        when age_days <= 180 then '091-180 days'
        when age_days > 180 then 'over 180 days'
    end as age_band
from main.image_age
