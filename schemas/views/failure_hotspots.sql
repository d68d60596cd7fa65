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
with folded as (
    select
        *,
        coalesce(created_at, captured_at) as seen_at,
        coalesce(
            nullif(regexp_extract(failure_component_arn, ':component/([^/]+)', 1), ''),
            failure_component_arn
        ) as failure_component,
        error_message
        .regexp_replace('arn:aws[a-z-]*:[^\s"'',;()\[\]{}<>]*[\w/*]', '<arn>', 'g')
        .regexp_replace(
            '\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b', '<uuid>', 'g'
        )
        .regexp_replace(
            '\b\d{4}[-/]\d{2}[-/]\d{2}'
            '([T ]+\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?\b',
            '<time>',
            'g'
        )
        .regexp_replace(
            '\b((Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(\d{1,2} +)?'
            '(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d{1,4} +)?'
            '\d{2}:\d{2}:\d{2}( +(\d{4}|UTC|GMT))?\b',
            '<time>',
            'g'
        )
        .regexp_replace('\b\d{1,2}:\d{2}:\d{2}([.,]\d+)?Z?\b', '<time>', 'g')
        .regexp_replace(
            '(?i)\b((request|host)[ _-]?id|encoded authorization failure message)'
            '(["'']?[ :=]+["'']?)[\w.+/=-]+',
            '\1\3<id>',
            'g'
        )
        .regexp_replace('\b([a-z]{1,16})-[0-9a-f]{8,}\b', '\1-<id>', 'g')
        .regexp_replace('\b\d{1,3}(\.\d{1,3}){3}\b', '<ip>', 'g')
        .regexp_replace('\b[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{0,4}){1,6}:[0-9a-fA-F]{1,4}\b', '<ip>', 'g')
        .regexp_replace('\bip(-\d{1,3}){4}\b', '<ip>', 'g')
        -- not after a hyphen: a region's number tells
        .regexp_replace('(^|[^-\w])(v?)\d+([.,:-]\d+)*\b', '\1\2<n>', 'g')
        -- a code such as 0x80240438 tells, an address in memory does not
        .regexp_replace('\b([0-9a-fA-F]{8,}|0x[0-9a-fA-F]{9,})\b', '<id>', 'g')
        .regexp_replace('(^|[^-\w])\d+([.,]\d+)*([a-wyzA-WYZ%])', '\1<n>\3', 'g')
        .regexp_replace('<n>([.,:]<n>)+', '<n>', 'g')
        .regexp_replace('\s+', ' ', 'g')
        .trim() as error_pattern
    from failed_builds
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
