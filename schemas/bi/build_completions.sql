-- How long builds took, as far as whole captures tell: the API gives no time of the end, so the true
-- duration lies between the two bounds. Builds that had ended before the first capture of their target
-- tell nothing.
-- grain: one row a build whose end was seen (build_key)
-- asks: Which images take longest to build?
-- example: select image_slug, count(*) as builds, round(max(at_most_hours), 1) as longest_hours from bi.build_completions group by all order by longest_hours desc limit 10
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column snapshot_date: The date of the first capture that shows the build ended.
-- column state_status: The first state after its end that a capture shows.
-- column captured_at_utc: When the first capture that shows the build ended was taken (UTC).
-- column seen_running_at_utc: When the newest page of the last capture that shows the build running arrived (UTC); NULL where none does.
-- column at_least_hours: Hours from created_at_utc to seen_running_at_utc; 0 where no capture shows it running.
-- column at_most_hours: Hours from created_at_utc to captured_at_utc.
-- measure average_at_most_hours = avg(at_most_hours): hours that a build took at the most, on average
-- measure average_at_least_hours = avg(at_least_hours): hours that a build took at the least, on average
select
    md5_number_lower(concat_ws('|', account_id, region, arn))::varchar as build_key,
    case
        when image_slug is not null
            then concat_ws('/', account_id, region, image_owner_account, image_slug)
    end as image_key,
    concat_ws('/', account_id, region) as target_key,
    snapshot_date,
    account_id,
    region,
    arn,
    name,
    image_owner_account,
    image_slug,
    platform,
    semantic_version,
    build_number,
    state_status,
    created_at at time zone 'UTC' as created_at_utc,
    (created_at at time zone 'UTC')::date as created_date,
    seen_running_at at time zone 'UTC' as seen_running_at_utc,
    captured_at at time zone 'UTC' as captured_at_utc,
    at_least_hours,
    at_most_hours
from main.build_completions
