-- The builds by state, as they stand.
select
    coalesce(state_status, '(no state)') as label,
    count(*) as count,
    count(*) / sum(count(*)) over () as share
from current_builds
group by all
order by count desc, label
