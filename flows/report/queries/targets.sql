-- Each target that was ever asked: how its newest listing ended, and which builds show of it.
-- more: from target_freshness order by last_attempt_date, last_attempt_status = 'complete'
with shown as (
    select
        f.account_id,
        f.region,
        case
            when f.last_attempt_date < (select max(snapshot_date) from snapshots) then 'not asked'
            else f.last_attempt_status
        end as status,
        f.snapshot_date as shows_date,
        f.captured_at as last_read,
        f.builds,
        c.coverage,
        coalesce(f.last_error_message, f.last_error_code) as error_message
    from target_freshness as f
    left join current_targets as c using (account_id, region)
)
select
    *
from shown
order by
    list_position(['failed', 'truncated', 'not asked', 'skipped', 'complete'], status) nulls first,
    last_read nulls first,
    account_id,
    region
limit 30
