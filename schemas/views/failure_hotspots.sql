-- The failed builds of failed_builds, counted by what failed: step, component, phase, action and the
-- error. What differs from build to build in an error (ARNs, ids, hashes, times, addresses, numbers)
-- is folded into words in angle brackets, so that one failure in many builds is one row.
-- grain: one row a failure (failure_step, failure_component, failure_component_phase, failure_component_step, failure_component_action, error_pattern)
-- asks: Which failures cost the most builds?
-- example: select failure_step, failure_component, error_pattern, build_count, image_count, last_seen_at from failure_hotspots order by build_count desc limit 10
-- column failure_component: The component's name from failure_component_arn, whatever its account, region and version; the ARN itself where it holds none.
-- column error_pattern: failed_builds.error_message with what differs folded: `<arn>`, `<uuid>`, `<time>`, `<ip>`, `<id>`, `<n>`; NULL where nothing was said.
-- column build_count: Failed builds.
-- column image_count: Images (account_id, region, image_owner_account, image_slug) that these are builds of.
-- column first_seen_at: When the first of the builds was created, or captured where that is not known.
-- column last_seen_at: When the newest of the builds was created, or captured where that is not known.
-- column example_arn: The newest of the builds.
-- column example_message: Its error to the letter.
-- column example_log_group_name: Its CloudWatch log group.
with grouped as (
    select
        failure_step,
        failure_component,
        failure_component_phase,
        failure_component_step,
        failure_component_action,
        error_pattern,
        count(*) as build_count,
        count(distinct (account_id, region, image_owner_account, image_slug)) as image_count,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at,
        max({
            'at': seen_at, 'arn': arn, 'message': error_message, 'log_group_name': log_group_name
        }) as newest
    from failure_patterns
    group by all
)
select
    failure_step,
    failure_component,
    failure_component_phase,
    failure_component_step,
    failure_component_action,
    error_pattern,
    build_count,
    image_count,
    first_seen_at,
    last_seen_at,
    newest.arn as example_arn,
    newest.message as example_message,
    newest.log_group_name as example_log_group_name
from grouped
