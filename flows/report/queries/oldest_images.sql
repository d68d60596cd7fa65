-- The images without a golden build, then those with the oldest.
-- more: from image_age order by age_days desc nulls first
select
    name,
    account_id,
    region,
    age_days,
    semantic_version || '/' || build_number as golden_version,
    golden_created_at,
    newest_state_status,
    newest_created_at,
    build_count
from image_age
order by age_days desc nulls first, name, account_id, region
limit 12
