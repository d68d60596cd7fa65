-- How the listings of the newest snapshot ended; a complete one that was asked through a filter is not
-- told as complete.
select
    if(status = 'complete' and coverage is distinct from 'whole', 'filtered', status) as status,
    count(*) as targets
from snapshot_targets
where snapshot_date = (select max(snapshot_date) from snapshots)
group by all
