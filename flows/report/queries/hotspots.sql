-- What failed, the most frequent first.
-- more: from failure_hotspots order by build_count desc
select
    failure_step,
    concat_ws(' ', failure_component, failure_component_step) as component,
    error_pattern,
    build_count,
    image_count,
    last_seen_at
from failure_hotspots
order by build_count desc, last_seen_at desc, example_arn
limit 12
