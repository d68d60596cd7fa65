-- Each build as it was from one date to another: a new row wherever any of its columns changed. The
-- dates are those of whole captures of its target; one that could not be read ends nothing.
-- grain: one row a build and the date from which it was so (account_id, region, arn, valid_from)
-- asks: How was each build of an image, from when to when?
-- example: select name, semantic_version, build_number, state_status, valid_from, valid_to from build_history where image_slug = 'web' order by arn, valid_from
-- column captured_at: When the row was first read.
-- column valid_from: The date of the first capture that showed the row.
-- column valid_to: The date of the first capture that did not show it any more; NULL while it stands.
-- column ended_by: What ended it: changed or disappeared; NULL while it stands.
-- column build_key: A number for the target's build, alike on every date: it groups faster than the ARN.
with spans as (
    select
        build_key,
        snapshot_date,
        change,
        lead(snapshot_date) over of_build as valid_to,
        lead(change) over of_build as ended_by
    from build_changes
    window of_build as (partition by build_key order by snapshot_date)
)

select
    b.* exclude (snapshot_date, run_id, previous_date, previous_status, change),
    s.snapshot_date as valid_from,
    s.valid_to,
    s.ended_by
from build_changes as b
join spans as s
    on s.build_key = b.build_key and s.snapshot_date = b.snapshot_date
where b.change <> 'disappeared' and s.change <> 'disappeared'
