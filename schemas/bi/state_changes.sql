-- When builds came, changed their state, went and came back: between consecutive whole captures of the
-- same target, so that a target that could not be read changes nothing.
-- grain: one row a build whose state changed, and date (change_key)
-- asks: How many builds changed their state, from what to what, day by day?
-- example: select snapshot_date, from_status, to_status, count(*) as builds from bi.state_changes where change = 'changed' group by all order by snapshot_date desc, builds desc limit 20
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column change_key: The change: build_key/snapshot_date.
-- column snapshot_date: The date of the capture that shows the change first: joins to bi.calendar.
-- column captured_at_utc: When the row was read: that of a build that disappeared, when it was last seen (UTC).
-- column change: first_seen, changed, disappeared or reappeared.
-- column from_status: The state before; NULL where it was not listed.
-- column to_status: The state from then on; NULL where it is not listed any more.
-- column from_date: The date of the whole capture that showed the state before; NULL at the target's first.
-- measure change_count = count(*): changes
-- measure changed_build_count = count(distinct build_key): builds that changed
with gone as (
    select
        build_key,
        min(snapshot_date) as first_gone_date
    from main.capture_differences
    where change = 'disappeared'
    group by build_key
)

select
    c.build_key::varchar || '/' || c.snapshot_date::varchar as change_key,
    c.build_key::varchar as build_key,
    case
        when c.image_slug is not null
            then concat_ws('/', c.account_id, c.region, c.image_owner_account, c.image_slug)
    end as image_key,
    concat_ws('/', c.account_id, c.region) as target_key,
    c.snapshot_date,
    c.captured_at at time zone 'UTC' as captured_at_utc,
    c.account_id,
    c.region,
    c.arn,
    c.name,
    c.image_owner_account,
    c.image_slug,
    c.type,
    c.platform,
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
from main.build_changes as c
left join gone as g on g.build_key = c.build_key
where c.change <> 'changed' or c.state_status is distinct from c.previous_status
