-- The AMI to launch now: for each image, AMI region and AMI account the AVAILABLE AMI of the newest
-- AVAILABLE build, and its age in days as of the query's now().
-- grain: one row an image, AMI region and AMI account (golden_key)
-- asks: How many golden AMIs are there in each region, and how old are they?
-- example: select ami_region, count(*) as amis, max(age_days) as oldest_days from bi.golden_amis group by all order by amis desc
-- clock: age_days, age_band
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column golden_key: The row: image, AMI region and AMI account, as a number in text.
-- column arn: The build that made the AMI: bi.builds.arn.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column age_days: Whole days of 24 hours since created_at_utc.
-- column age_band: age_days as a band that sorts: 000-030 days, 031-060 days, 061-090 days, 091-180 days or over 180 days.
-- column is_newest_build: False where the image's golden build has no AVAILABLE AMI here, so that an older build's stands.
-- measure golden_ami_count = count(*): golden AMIs
-- measure image_count = count(distinct image_key): images that have one
-- measure average_age_days = avg(age_days): their age on average
-- measure behind_count = count(*) filter (where not is_newest_build): golden AMIs of an older build than the image's golden one
with golden as (
    select
        *,
        floor((epoch_us(now()) - epoch_us(created_at)) / 86400e6)::bigint as age_days
    from main.golden_amis
)

select
    md5_number_lower(
        to_json([account_id, region, image_owner_account, image_slug, ami_region, ami_account_id])
    )::varchar as golden_key,
    md5_number_lower(concat_ws('|', account_id, region, build_arn))::varchar as build_key,
    case
        when image_slug is not null
            then concat_ws('/', account_id, region, image_owner_account, image_slug)
    end as image_key,
    concat_ws('/', account_id, region) as target_key,
    snapshot_date,
    account_id,
    region,
    build_arn as arn,
    name,
    image_owner_account,
    image_slug,
    platform,
    os_version,
    semantic_version,
    build_number,
    ami_region,
    ami_account_id,
    ami_id,
    ami_name,
    is_newest_build,
    created_at at time zone 'UTC' as created_at_utc,
    (created_at at time zone 'UTC')::date as created_date,
    age_days,
    case
        when age_days <= 30 then '000-030 days'
        when age_days <= 60 then '031-060 days'
        when age_days <= 90 then '061-090 days'
        when age_days <= 180 then '091-180 days'
        when age_days > 180 then 'over 180 days'
    end as age_band,
    deprecation_time at time zone 'UTC' as deprecation_time_utc,
    captured_at at time zone 'UTC' as captured_at_utc
from golden
