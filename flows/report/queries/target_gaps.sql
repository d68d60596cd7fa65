-- What the current rows lack, by target. Each target that was ever asked is of one kind: never read whole
-- or through a filter; not asked by the newest snapshot, or not read by it, and shown as last read; read
-- through a filter and shown as before it; of a filtered list only; skipped; whole. A target is asked where
-- the newest snapshot found its region enabled.
with newest as (
    select max(snapshot_date) as day
    from snapshots
),
targets as (
    select
        case
            when c.snapshot_date is null and f.last_attempt_status = 'skipped' then 'skipped'
            when c.snapshot_date is null then 'never read'
            when f.last_attempt_date < n.day then 'not asked'
            when f.last_attempt_status not in ('complete', 'skipped') then 'not read'
            when c.coverage = 'filtered' then 'filtered'
            when f.last_attempt_status = 'skipped' then 'skipped'
            when c.snapshot_date < n.day then 'narrowed'
            else 'whole'
        end as kind,
        f.last_attempt_date = n.day and f.last_attempt_status is distinct from 'skipped' as is_asked,
        coalesce(c.coverage = 'filtered', false) as is_filtered
    from target_freshness as f
    cross join newest as n
    left join current_targets as c using (account_id, region)
)
select
    kind,
    is_asked,
    is_filtered,
    count(*) as targets
from targets
group by all
