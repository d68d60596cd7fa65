-- The accounts and regions that were ever asked: when each was read last, and how the last attempt
-- ended. What of it goes by the clock is in bi.target_freshness.
-- grain: one row a target (target_key)
-- asks: How did the last attempt end, target by target?
-- example: select account_id, region, snapshot_date, last_attempt_status, last_error_code from bi.targets order by last_attempt_status = 'complete', account_id, region
-- column target_key: The target: account_id/region.
-- column snapshot_date: The date of its newest complete capture, and of the region all of its account's newest; NULL where there is none.
-- column captured_at_utc: When that was taken (UTC).
-- column builds: Builds that it lists; NULL of the region all.
-- column last_attempt_date: The newest date that the target was asked on.
-- column last_attempt_status: How that ended: complete, truncated, failed or skipped.
-- column last_attempt_at_utc: When that attempt's last answer was in (UTC).
-- column last_error_code: The error's code where it did not complete.
-- column last_error_message: The error in words, with what to do.
-- column failed_attempt_count: Dates since the newest complete capture on which the target was asked and not read to the end (failed or truncated).
-- measure target_count = count(*): targets that were ever asked
-- measure read_target_count = count(*) filter (where last_attempt_status = 'complete'): targets whose last attempt read them to the end
-- measure failed_target_count = count(*) filter (where last_attempt_status in ('failed', 'truncated')): targets whose last attempt did not
select
    concat_ws('/', account_id, region) as target_key,
    account_id,
    region,
    snapshot_date,
    captured_at at time zone 'UTC' as captured_at_utc,
    builds,
    last_attempt_date,
    last_attempt_status,
    last_attempt_at at time zone 'UTC' as last_attempt_at_utc,
    last_error_code,
    last_error_message,
    failed_attempt_count
from main.target_freshness
