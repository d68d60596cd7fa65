-- The builds whose state changed, that came or went since the capture before, by what happened.
select
    change,
    case change
        when 'first_seen' then '(new)'
        when 'reappeared' then '(gone)'
        else coalesce(from_status, '(no state)')
    end as was,
    if(change = 'disappeared', '(gone)', coalesce(to_status, '(no state)')) as is_now,
    count(*) as count
from build_state_changes
where
    snapshot_date = (select max(snapshot_date) from snapshots)
    and from_date is not null
group by all
order by count desc, was, is_now
