-- The AVAILABLE builds that are overdue for deprecation or due within 90 days, those that nothing
-- succeeds first.
-- more: from deprecations where due <> 'later' order by has_successor, deprecation_time
select
    name,
    semantic_version || '/' || build_number as version,
    account_id,
    region,
    deprecation_time,
    days_left,
    if(has_successor, regexp_extract(successor_arn, ':image/[^/]+/(.+)$', 1), null) as successor
from deprecations
where due <> 'later'
order by has_successor, deprecation_time, name, arn
limit 12
