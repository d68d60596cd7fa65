-- For each target the capture that the current_* views show: its newest complete one, and before a
-- filtered one always one of all its builds, so that a narrow look never hides the rest.
-- grain: one row a target (account_id, region) that was ever read completely
-- asks: Whose captures are the oldest that show?
-- example: select account_id, region, snapshot_date, captured_at, builds from current_targets order by captured_at
select *
from snapshot_targets
where coverage in ('whole', 'filtered')
qualify row_number() over (
    partition by account_id, region
    order by coverage = 'whole' desc, snapshot_date desc
) = 1
