-- How fresh each target's builds are, as of the query's now(): bi.targets with its age. Stale is what
-- is older than 36 hours, or was never read though its region is not skipped.
-- grain: one row a target (target_key)
-- asks: Which targets are stale, and why?
-- example: select account_id, region, captured_at_utc, failed_attempt_count, last_error_code from bi.target_freshness where is_stale order by captured_at_utc nulls first
-- clock: age_hours, is_stale
-- column target_key: Joins to bi.targets, one to one: account_id/region.
-- column snapshot_date: The date of its newest complete capture, and of the region all of its account's newest; NULL where there is none.
-- column captured_at_utc: When that was taken (UTC).
-- column builds: Builds that it lists; NULL of the region all.
-- column last_attempt_date: The newest date that the target was asked on.
-- column last_attempt_status: How that ended: complete, truncated, failed or skipped.
-- column last_attempt_at_utc: When that attempt's last answer was in (UTC).
-- column last_error_code: The error's code where it did not complete.
-- column last_error_message: The error in words, with what to do.
-- column failed_attempt_count: Dates since the newest complete capture on which the target was asked and not read to the end (failed or truncated).
-- column age_hours: Hours since its newest complete capture; NULL where there is none.
-- column is_stale: True where the newest complete capture is older than 36 hours, or there is none though the region is not skipped.
-- measure stale_target_count = count(*) filter (where is_stale): targets that are stale
-- measure oldest_hours = max(age_hours): hours since the newest complete capture of the target that is behind most
select
    concat_ws('/', account_id, region) as target_key,
    account_id,
    region,
    snapshot_date,
    captured_at at time zone 'UTC' as captured_at_utc,
    age_hours,
    builds,
    last_attempt_date,
    last_attempt_status,
    last_attempt_at at time zone 'UTC' as last_attempt_at_utc,
    last_error_code,
    last_error_message,
    failed_attempt_count,
    is_stale
from main.target_freshness
