-- Every build that was ever listed, as its newest capture shows it, and how it ended: those that are
-- listed now (is_present) and those that are gone.
-- grain: one row a build (build_key)
-- asks: Which builds are listed now, by state?
-- example: select state_status, build_count, image_count from (select state_status, count(*) as build_count, count(distinct image_key) as image_count from bi.builds where is_present group by all) order by build_count desc
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column build_key: The build: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column snapshot_date: The date of the newest capture that lists the build.
-- column is_present: True where the target's newest complete capture still lists the build. False says that it is gone from the list, not why.
-- column outcome: succeeded, failed, cancelled, running (under way and still listed) or other (not known).
-- column deprecation_date: The UTC day of deprecation_time_utc: joins to bi.calendar, as far as that goes.
-- measure build_count = count(*): builds
-- measure listed_count = count(*) filter (where is_present): builds that are listed now
-- measure image_count = count(distinct image_key): images
-- measure success_rate = count(*) filter (where outcome = 'succeeded') / nullif(count(*) filter (where outcome in ('succeeded', 'failed')), 0): the part that succeeded of the builds that succeeded or failed, from 0 to 1
select
    md5_number_lower(concat_ws('|', account_id, region, arn))::varchar as build_key,
    case
        when image_slug is not null
            then concat_ws('/', account_id, region, image_owner_account, image_slug)
    end as image_key,
    concat_ws('/', account_id, region) as target_key,
    account_id,
    region,
    arn,
    name,
    image_owner_account,
    image_slug,
    type,
    platform,
    os_version,
    semantic_version,
    version_major,
    version_minor,
    version_patch,
    build_number,
    state_status,
    state_reason,
    outcome,
    is_present,
    build_type,
    image_source,
    ownership,
    created_at at time zone 'UTC' as created_at_utc,
    (created_at at time zone 'UTC')::date as created_date,
    deprecation_time at time zone 'UTC' as deprecation_time_utc,
    (deprecation_time at time zone 'UTC')::date as deprecation_date,
    captured_at at time zone 'UTC' as captured_at_utc,
    snapshot_date,
    lifecycle_execution_id,
    log_group_name
from main.build_results
