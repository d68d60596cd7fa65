-- Each target that was ever asked: how its newest listing ended, and which builds show of it. Of a region
-- that was skipped nothing is missing where it is not asked again.
-- more: from target_freshness order by last_attempt_date, last_attempt_status = 'complete'
with newest as (
    select max(snapshot_date) as day
    from snapshots
),
shown as (
    select
        f.account_id,
        f.region,
        case
            when c.snapshot_date is null and f.last_attempt_status = 'skipped' then 'skipped'
            when f.last_attempt_date < n.day then 'not asked'
            when
                f.last_attempt_status = 'complete'
                and (c.coverage = 'filtered' or c.snapshot_date < n.day)
                then 'filtered'
            else f.last_attempt_status
        end as status,
        c.snapshot_date as shows_date,
        c.captured_at as last_read,
        c.builds,
        coalesce(f.last_error_message, f.last_error_code) as error_message
    from target_freshness as f
    cross join newest as n
    left join current_targets as c using (account_id, region)
)
select
    *
from shown
order by
    list_position(['failed', 'truncated', 'not asked', 'filtered', 'skipped', 'complete'], status) nulls first,
    last_read nulls first,
    account_id,
    region
limit 30
