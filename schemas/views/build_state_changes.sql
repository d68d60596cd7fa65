-- When builds came, changed their state, went and came back: between consecutive whole captures of
-- the same target, so that a target that could not be read changes nothing.
-- grain: one row a build whose state changed, and date (account_id, region, arn, snapshot_date)
-- asks: Which builds changed their state last, from what to what?
-- example: select snapshot_date, name, semantic_version, build_number, from_status, to_status, state_reason from build_state_changes where change = 'changed' order by snapshot_date desc limit 20
-- column run_id: The run that shows for the date.
-- column captured_at: When the row was read: that of a build that disappeared, when it was last seen.
-- column change: first_seen, changed, disappeared or reappeared.
-- column from_status: The state before; NULL where it was not listed.
-- column to_status: The state from then on; NULL where it is not listed any more.
-- column from_date: The date of the whole capture that showed the state before; NULL at the target's first.
with gone as (
    select
        build_key,
        min(snapshot_date) as first_gone_date
    from capture_differences
    where change = 'disappeared'
    group by build_key
)

select
    c.snapshot_date,
    c.run_id,
    c.account_id,
    c.region,
    c.captured_at,
    c.arn,
    c.name,
    c.image_owner_account,
    c.image_slug,
    c.semantic_version,
    c.build_number,
    case
        when c.change <> 'appeared' then c.change
        when g.first_gone_date < c.snapshot_date then 'reappeared'
        else 'first_seen'
    end as change,
    c.previous_status as from_status,
    case when c.change <> 'disappeared' then c.state_status end as to_status,
    c.state_reason,
    c.previous_date as from_date
from build_changes as c
left join gone as g on g.build_key = c.build_key
where c.change <> 'changed' or c.state_status is distinct from c.previous_status
