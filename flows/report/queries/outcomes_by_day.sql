-- How the builds of each of the last 60 days ended, and the success of the seven days up to it.
with newest as (
    select max(snapshot_date) as day
    from snapshots
),
daily as (
    select
        o.created_date as day,
        sum(o.succeeded_count)::bigint as succeeded,
        sum(o.failed_count)::bigint as failed,
        sum(o.cancelled_count)::bigint as cancelled,
        sum(o.running_count)::bigint as running,
        sum(o.other_count)::bigint as unknown
    from build_outcomes_daily as o
    cross join newest as n
    where o.created_date > n.day - 67 and o.created_date <= n.day
    group by o.created_date
),
with_week as (
    select
        *,
        succeeded / nullif(succeeded + failed, 0) as rate,
        sum(succeeded) over week / nullif(sum(succeeded + failed) over week, 0) as week_rate
    from daily
    window week as (order by day range between interval 6 days preceding and current row)
)
select
    w.*,
    w.cancelled + w.unknown as rest
from with_week as w
cross join newest as n
where w.day > n.day - 60
order by w.day desc
