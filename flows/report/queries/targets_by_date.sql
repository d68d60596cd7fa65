-- How the listings of each of the last 60 snapshots ended; a complete one that was asked through a filter
-- is not told as complete.
select
    snapshot_date as day,
    if(status = 'complete' and coverage is distinct from 'whole', 'filtered', status) as series,
    count(*) as count
from snapshot_targets
where snapshot_date in (select snapshot_date from snapshots order by snapshot_date desc limit 60)
group by all
order by day desc, series
