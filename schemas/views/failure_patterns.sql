-- The failed builds of failed_builds, each with what failed in words that many builds share: the
-- component's name, and the error with what differs from build to build (ARNs, ids, hashes, times,
-- addresses, numbers) folded into words in angle brackets. failure_hotspots counts them.
-- grain: one row a failed build (account_id, region, arn)
-- asks: Which builds failed alike?
-- example: select error_pattern, image_slug, semantic_version, build_number from failure_patterns order by all limit 10
-- column seen_at: When the build was created, or captured where that is not known.
-- column failed_region_count: Regions and accounts that the distribution failed in, of the build and its AMIs.
-- column error_message: What failed in words: the component's, else the distribution's, else the state's reason.
-- column failure_component: The component's name from failure_component_arn, whatever its account, region and version; the ARN itself where it holds none.
-- column error_pattern: error_message with what differs folded: `<arn>`, `<uuid>`, `<time>`, `<ip>`, `<id>`, `<n>`; NULL where nothing was said.
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
