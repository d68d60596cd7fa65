-- What each snapshot covered: how the listing of each target ended, date by date, the failed ones too.
-- grain: one row a target and date (coverage_key)
-- asks: Which targets failed most often?
-- example: select account_id, region, count(*) as failures, max(snapshot_date) as last_failure from bi.coverage where status = 'failed' group by all order by failures desc
-- column target_key: Joins to bi.targets: account_id/region.
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
select
    concat_ws('/', account_id, region, snapshot_date::varchar) as coverage_key,
    concat_ws('/', account_id, region) as target_key,
    snapshot_date,
    run_id,
    account_id,
    region,
    status,
    coverage,
    coverage = 'whole' as is_whole,
    error_code,
    error_message,
    builds,
    pages,
    requests,
    throttles,
    captured_at at time zone 'UTC' as captured_at_utc,
    started_at at time zone 'UTC' as started_at_utc,
    finished_at at time zone 'UTC' as finished_at_utc,
    (epoch_us(finished_at) - epoch_us(started_at)) / 1e6 as listing_seconds,
    carried_from
from main.snapshot_targets
