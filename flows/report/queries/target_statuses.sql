-- How the listings of the newest snapshot ended.
select
    status,
    count(*) as targets
from snapshot_targets
where snapshot_date = (select max(snapshot_date) from snapshots)
group by status
