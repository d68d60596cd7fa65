-- What each snapshot covered: how the listing of each target ended, date by date, the failed ones too.
-- grain: one row a target and date (coverage_key)
-- asks: Which targets failed most often?
-- example: select account_id, region, count(*) as failures, max(snapshot_date) as last_failure from bi.coverage where status = 'failed' group by all order by failures desc
-- column target_key: Joins to bi.targets: account_id/region; NULL for the region all of a date before one on which the account's regions were asked.
-- column coverage_key: The target and date: target_key/snapshot_date.
-- column snapshot_date: The date that the snapshot is filed under: joins to bi.calendar.
-- column run_id: The run that shows for the date.
-- column is_whole: True where the rows shown for the target are all its builds.
-- column listing_seconds: Seconds from the first call to the last answer.
-- measure listing_count = count(*): listings, one a target and date
-- measure read_share = count(*) filter (where status = 'complete') / nullif(count(*) filter (where status <> 'skipped'), 0): the part of the targets asked that were read to their end, from 0 to 1
-- measure failure_count = count(*) filter (where status in ('failed', 'truncated')): listings that did not end
-- measure build_count = sum(builds)::bigint: builds shown; only of one date they are builds, over several the same ones count again
-- measure request_count = sum(requests)::bigint: calls made
-- measure throttle_count = sum(throttles)::bigint: calls that were refused for their rate
with listed as (
    select
        account_id,
        max(snapshot_date) as listed_date
    from main.snapshot_targets
    where region <> 'all'
    group by account_id
)
select
    concat_ws('/', t.account_id, t.region, t.snapshot_date::varchar) as coverage_key,
    case  -- a failure to list an account's regions is no target's once one of them was asked
        when t.region <> 'all' or l.listed_date is null or t.snapshot_date >= l.listed_date
            then concat_ws('/', t.account_id, t.region)
    end as target_key,
    t.snapshot_date,
    t.run_id,
    t.account_id,
    t.region,
    t.status,
    t.coverage,
    t.coverage = 'whole' as is_whole,
    t.error_code,
    t.error_message,
    t.builds,
    t.pages,
    t.requests,
    t.throttles,
    t.captured_at at time zone 'UTC' as captured_at_utc,
    t.started_at at time zone 'UTC' as started_at_utc,
    t.finished_at at time zone 'UTC' as finished_at_utc,
    (epoch_us(t.finished_at) - epoch_us(t.started_at)) / 1e6 as listing_seconds,
    t.carried_from
from main.snapshot_targets as t
left join listed as l on l.account_id = t.account_id
