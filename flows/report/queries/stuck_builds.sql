-- The builds that run longer than theirs usually do.
-- more: from stuck_builds order by running_hours desc
select
    name,
    semantic_version || '/' || build_number as version,
    account_id,
    region,
    state_status,
    created_at,
    running_hours,
    usual_hours
from stuck_builds
order by running_hours desc, arn
limit 12
