-- Everything that ever changed, as whole rows: each target's builds at its first whole capture, and
-- from then on those that appeared, changed in any column or disappeared between two whole captures.
-- grain: one row a build that changed, and date (account_id, region, arn, snapshot_date)
-- asks: What became of one build, column by column?
-- example: select snapshot_date, change, name, semantic_version, lifecycle_execution_id from build_changes where arn = 'arn:aws:imagebuilder:eu-west-1:123456789012:image/web/1.0.0/1' order by snapshot_date
-- column run_id: The run that shows for the date.
-- column captured_at: When the row was read: that of a build that disappeared, when it was last seen.
-- column previous_date: The date of the whole capture that it is compared with; NULL at the first.
-- column change: appeared, changed or disappeared.
-- column previous_status: The build's state_status before; NULL where it appeared.
-- column build_key: A number for the target's build, alike on every date: it groups faster than the ARN.
select * exclude (previous_run_id, capture_key)
from capture_differences
union all by name
select
    image_builds.*,
    null::date as previous_date,
    'appeared' as change,
    null::varchar as previous_status,
    md5_number_lower(concat_ws('|', account_id, region, arn)) as build_key
from target_captures
join image_builds using (snapshot_date, run_id, account_id, region)
where
    target_captures.coverage = 'whole'
    and target_captures.previous_run_id is null
    and image_builds.arn is not null
