-- The builds that are gone: listed once, and not in the newest whole capture of their target. Each as
-- it was last seen.
-- grain: one row a build (account_id, region, arn)
-- asks: Which builds disappeared in the last week?
-- example: select disappeared_date, name, semantic_version, build_number, state_status from disappeared_builds where disappeared_date > current_date - 7 order by all
-- column captured_at: When it was last read.
-- column last_seen_date: The date of the last capture that showed it.
-- column last_seen_run_id: The run of that capture.
-- column disappeared_date: The date of the first capture that did not.
with last_changes as (
    select
        build_key,
        max(snapshot_date) as snapshot_date
    from capture_differences
    group by build_key
)

select
    b.* exclude (
        snapshot_date, run_id, previous_date, previous_run_id, capture_key, change, previous_status,
        build_key
    ),
    b.previous_date as last_seen_date,
    b.previous_run_id as last_seen_run_id,
    b.snapshot_date as disappeared_date
from capture_differences as b
semi join last_changes as l
    on l.build_key = b.build_key and l.snapshot_date = b.snapshot_date
where b.change = 'disappeared'
