-- How builds ended in the last 30 days up to the newest snapshot, and in the 30 days before.
with newest as (
    select max(snapshot_date) as day
    from snapshots
)
select
    coalesce(sum(o.succeeded_count) filter (where o.created_date > n.day - 30), 0)::bigint as succeeded,
    coalesce(sum(o.failed_count) filter (where o.created_date > n.day - 30), 0)::bigint as failed,
    coalesce(sum(o.succeeded_count) filter (where o.created_date <= n.day - 30), 0)::bigint as succeeded_before,
    coalesce(sum(o.failed_count) filter (where o.created_date <= n.day - 30), 0)::bigint as failed_before
from build_outcomes_daily as o
cross join newest as n
where o.created_date > n.day - 60 and o.created_date <= n.day
