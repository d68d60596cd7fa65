-- The snapshots that show: one run a date, how long it took and how many rows it has.
-- grain: one row a date (snapshot_date)
-- asks: How long do snapshots take, and how many builds do they have?
-- example: select snapshot_date, status, run_seconds, image_builds_count from bi.snapshots order by snapshot_date desc limit 14
-- column snapshot_date: The date that the snapshot is filed under: joins to bi.calendar.
-- column run_id: The run that shows for the date.
-- column run_seconds: Seconds from the run's begin to its commit.
-- measure snapshot_count = count(*): snapshots
-- measure partial_count = count(*) filter (where status = 'partial'): snapshots of which some target failed or was cut short
-- measure newest_snapshot = max(committed_at_utc): when the newest one was committed (UTC)
select
    snapshot_date,
    run_id,
    status,
    started_at at time zone 'UTC' as started_at_utc,
    committed_at at time zone 'UTC' as committed_at_utc,
    (epoch_us(committed_at) - epoch_us(started_at)) / 1e6 as run_seconds,
    image_builds_count,
    image_amis_count,
    image_containers_count,
    image_region_failures_count,
    snapshot_targets_count,
    warnings
from main.snapshots
