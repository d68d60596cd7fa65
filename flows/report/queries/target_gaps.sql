-- What the current rows lack, by target: those never read, those that the newest snapshot was not
-- asked for or looked at with a filter only, those of which a filtered list shows, and those stale.
with newest as (
    select max(snapshot_date) as day
    from snapshots
)
select
    count(*) filter (
        where f.captured_at is null and f.last_attempt_status is distinct from 'skipped'
    ) as never_read,
    count(*) filter (where f.last_attempt_date < n.day) as not_asked,
    count(*) filter (
        where
        f.last_attempt_date = n.day
        and f.last_attempt_status = 'complete'
        and f.snapshot_date < n.day
    ) as narrowed,
    count(*) filter (where c.coverage = 'filtered') as filtered,
    count(*) filter (where f.is_stale) as stale
from target_freshness as f
cross join newest as n
left join current_targets as c using (account_id, region)
