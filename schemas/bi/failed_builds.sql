-- The listed builds that failed, with the step, the component and the words of the failure, and the
-- error folded to a pattern that many builds share: count builds by failure_step, failure_component and
-- error_pattern for the failure hotspots.
-- grain: one row a failed build (build_key)
-- asks: Which failures cost the most builds?
-- example: select failure_step, failure_component, error_pattern, count(*) as builds, count(distinct image_key) as images from bi.failed_builds group by all order by builds desc limit 10
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column seen_date: The UTC day of its creation, or of its capture where that is not known: joins to bi.calendar.
-- column failed_region_count: Regions and accounts that the distribution failed in, of the build and its AMIs.
-- column failure_component: The component's name from failure_component_arn, whatever its account, region and version; the ARN itself where it holds none.
-- column error_message: What failed in words: the component's, else the distribution's, else the state's reason.
-- column error_pattern: error_message with what differs from build to build folded: `<arn>`, `<uuid>`, `<time>`, `<ip>`, `<id>`, `<n>`; NULL where nothing was said.
-- measure failed_build_count = count(*): failed builds
-- measure failing_image_count = count(distinct image_key): images with a failed build
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
    build_type,
    created_at at time zone 'UTC' as created_at_utc,
    (created_at at time zone 'UTC')::date as created_date,
    (seen_at at time zone 'UTC')::date as seen_date,
    captured_at at time zone 'UTC' as captured_at_utc,
    failure_image_status,
    failure_step,
    failure_component,
    failure_component_arn,
    failure_component_phase,
    failure_component_step,
    failure_component_action,
    failed_region_count,
    error_message,
    error_pattern,
    log_group_name
from main.failure_patterns
where arn is not null
