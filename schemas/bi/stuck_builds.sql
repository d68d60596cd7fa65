-- The builds that seem stuck: their newest capture shows them running 24 hours or more after they were
-- created, and for longer than is usual for their image.
-- grain: one row a stuck build (build_key)
-- asks: Which builds run longer than theirs usually do?
-- example: select name, semantic_version, build_number, state_status, running_hours, usual_hours from bi.stuck_builds order by running_hours desc
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column running_hours: Hours from created_at_utc to the capture that still shows the build running.
-- column usual_hours: What the image's builds usually take at the most: the 95th percentile of those whose end was seen; NULL where no end was.
-- column completion_count: Builds of the image whose end was seen.
-- measure stuck_build_count = count(*): builds that seem stuck
-- measure longest_hours = max(running_hours): hours that the one stuck longest runs
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
    type,
    platform,
    semantic_version,
    build_number,
    state_status,
    created_at at time zone 'UTC' as created_at_utc,
    (created_at at time zone 'UTC')::date as created_date,
    captured_at at time zone 'UTC' as captured_at_utc,
    running_hours,
    usual_hours,
    completion_count,
    log_group_name
from main.stuck_builds
where arn is not null
