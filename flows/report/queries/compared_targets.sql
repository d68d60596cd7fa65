-- The targets that the newest snapshot read whole: compared with the capture before, or read for the
-- first time.
select
    count(*) filter (where previous_date is not null) as compared,
    count(*) filter (where previous_date is null) as first_read,
    coalesce(sum(builds) filter (where previous_date is null), 0)::bigint as first_builds,
    min(previous_date) as earliest_date,
    max(previous_date) as latest_date
from target_captures
where snapshot_date = (select max(snapshot_date) from snapshots) and coverage = 'whole'
