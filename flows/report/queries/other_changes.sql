-- The builds that changed in another column than their state.
select count(*) as builds
from build_changes
where
    snapshot_date = (select max(snapshot_date) from snapshots)
    and change = 'changed'
    and previous_status is not distinct from state_status
