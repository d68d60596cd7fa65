-- The failed builds of failed_builds, counted by what failed: step, component, phase, action and the
-- error. What differs from build to build in an error (ARNs, ids, hashes, times, addresses, numbers)
-- is folded into words in angle brackets, so that one failure in many builds is one row.
-- grain: one row a failure (failure_step, failure_component, failure_component_phase, failure_component_step, failure_component_action, error_pattern)
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
with told as (
    select
        *,
        coalesce(created_at, captured_at) as seen_at,
        coalesce(
            nullif(regexp_extract(failure_component_arn, ':component/([^/]+)', 1), ''),
            failure_component_arn
        ) as failure_component,
        regexp_replace(
            error_message, 'arn:aws[a-z-]*:[^\s"'',;()\[\]{}<>]*[\w/*]', '<arn>', 'g'
        ) as without_arns
    from failed_builds
),
without_times as (
    select
        *,
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    without_arns,
                    '\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b',
                    '<uuid>',
                    'g'
                ),
                '\b\d{4}[-/]\d{2}[-/]\d{2}([T ]+\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?\b',
                '<time>',
                'g'
            ),
            '\b\d{1,2}:\d{2}:\d{2}([.,]\d+)?Z?\b',
            '<time>',
            'g'
        ) as without_times
    from told
),
without_ids as (
    select
        *,
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        without_times,
                        '(?i)\b((?:request|host)[ _-]?id|encoded authorization failure message)(["'']?[ :=]+["'']?)[\w.+/=-]+',
                        '\1\2<id>',
                        'g'
                    ),
                    '\b([a-z]{1,16})-[0-9a-f]{8,}\b',
                    '\1-<id>',
                    'g'
                ),
                '\b(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{0,4}){3,7})\b',
                '<ip>',
                'g'
            ),
            '\bip(-\d{1,3}){4}\b',
            '<ip>',
            'g'
        ) as without_ids
    from without_times
),
folded as (
    select
        *,
        trim(regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        without_ids, '(^|[^-\w])\d+([.,:]\d+)*\b', '\1<n>', 'g'
                    ),
                    '\b[0-9a-fA-F]{8,}\b',
                    '<id>',
                    'g'
                ),
                '(^|[^-\w])\d+([.,]\d+)*([a-zA-Z%])',
                '\1<n>\3',
                'g'
            ),
            '\s+',
            ' ',
            'g'
        )) as error_pattern
    from without_ids
),
grouped as (
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
    from folded
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
