-- The builds that failed last.
-- more: from failed_builds order by created_at desc
select
    name,
    semantic_version || '/' || build_number as version,
    account_id,
    region,
    created_at,
    failure_step,
    error_message,
    log_group_name
from failed_builds
order by created_at desc nulls last, arn
limit 10
