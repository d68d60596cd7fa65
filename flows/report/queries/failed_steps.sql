-- The failed builds by the step that they stopped at.
-- more: select failure_step, sum(build_count)::bigint as builds from failure_hotspots group by all order by builds desc
select
    coalesce(failure_step, '(no step was told)') as label,
    sum(build_count)::bigint as count
from failure_hotspots
group by failure_step
order by count desc, label
limit 8
