-- How fresh each target's builds are, as of the query's now(): its newest complete capture
-- (current_targets), how the last attempt to read it ended, and how many failed since. Stale is what is
-- older than 36 hours: a daily snapshot that was missed, and half a day. A filtered look refreshes no
-- target that was read whole. The region all stands for an account whose regions could not be listed,
-- until a later snapshot asks one of them; it is as old as the newest capture of any of those.
-- grain: one row a target that was ever asked (account_id, region)
-- asks: Which targets are stale, and why?
-- example: select account_id, region, captured_at, failed_attempt_count, last_error_code from target_freshness where is_stale order by captured_at nulls first
-- clock: age_hours, is_stale
-- column snapshot_date: The date of its newest complete capture, and of the region all of its account's newest; NULL where there is none.
-- column captured_at: When that was taken.
-- column age_hours: Hours since then; NULL where there is none.
-- column builds: Builds that it lists; NULL of the region all.
-- column last_attempt_date: The newest date that the target was asked on.
-- column last_attempt_status: How that ended: complete, truncated, failed or skipped.
-- column last_attempt_at: When that attempt's last answer was in.
-- column last_error_code: The error's code where it did not complete.
-- column last_error_message: The error in words, with what to do.
-- column failed_attempt_count: Dates since the newest complete capture on which the target was asked and not read to the end (failed or truncated).
-- column is_stale: True where the newest complete capture is older than 36 hours, or there is none though the region is not skipped.
with asked as (
    select
        account_id,
        region,
        snapshot_date,
        status,
        finished_at,
        error_code,
        error_message
    from snapshot_targets
    qualify
        region <> 'all'
        or snapshot_date >= coalesce(
            max(snapshot_date) filter (where region <> 'all') over (partition by account_id),
            snapshot_date
        )
),
captures as (
    select
        account_id,
        region,
        snapshot_date,
        captured_at,
        builds
    from current_targets
    union all
    select
        account_id,
        'all' as region,
        arg_max(snapshot_date, captured_at) as snapshot_date,
        max(captured_at) as captured_at,
        null as builds
    from current_targets
    group by account_id
),
attempts as (
    select
        t.account_id,
        t.region,
        max(t.snapshot_date) as last_attempt_date,
        arg_max(
            {
                'status': t.status,
                'finished_at': t.finished_at,
                'error_code': t.error_code,
                'error_message': t.error_message
            },
            t.snapshot_date
        ) as last,
        count(*) filter (
            where
            t.status in ('failed', 'truncated')
            and (c.snapshot_date is null or t.snapshot_date >= c.snapshot_date)
        ) as failed_attempt_count
    from asked as t
    left join captures as c using (account_id, region)
    group by all
)
select
    a.account_id,
    a.region,
    c.snapshot_date,
    c.captured_at,
    round((epoch_us(now()) - epoch_us(c.captured_at)) / 3600e6, 1) as age_hours,
    c.builds,
    a.last_attempt_date,
    a.last.status as last_attempt_status,
    a.last.finished_at as last_attempt_at,
    a.last.error_code as last_error_code,
    a.last.error_message as last_error_message,
    a.failed_attempt_count,
    case
        when c.snapshot_date is null then a.last.status is distinct from 'skipped'
        else (epoch_us(now()) - epoch_us(c.captured_at)) / 3600e6 > 36
    end as is_stale
from attempts as a
left join captures as c
    on c.account_id = a.account_id and c.region = a.region
