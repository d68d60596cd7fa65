-- How long builds stay in each state, in days between whole captures of their target: a state that came
-- and went between two captures shows in none. Only of one whose begin and end were both seen (is_whole)
-- the days are all there is.
-- grain: one row a build, and date from which it was in the state (state_key)
-- asks: How long do builds stay in each state?
-- example: select state_status, count(*) as builds, round(avg(day_count), 1) as days from bi.state_durations where is_whole group by all order by days desc
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column state_key: The build and the date: build_key/from_date.
-- column state_status: The state.
-- column from_date: The date of the first capture that shows the build in the state: joins to bi.calendar.
-- column to_date: The date of the first capture that does not show it in the state any more; NULL while it stands.
-- column next_status: The state after it; NULL while it stands, or where the build disappeared.
-- column day_count: Days from from_date to to_date; while it stands, to the target's newest whole capture.
-- column is_over: True where the state ended.
-- column is_whole: True where its begin and its end were both seen: not of the builds that the target's first whole capture lists.
-- measure average_days = avg(day_count) filter (where is_whole): the average of the states whose begin and end were seen
-- measure median_days = median(day_count) filter (where is_whole): their median
-- measure standing_count = count(*) filter (where not is_over): builds that are in the state now
with changes as (
    select
        c.build_key,
        c.snapshot_date,
        c.account_id,
        c.region,
        c.arn,
        c.name,
        c.image_owner_account,
        c.image_slug,
        c.type,
        c.platform,
        c.previous_date,
        case when c.change <> 'disappeared' then c.state_status end as state_status,
        c.change = 'disappeared' as is_gone
    from main.build_changes as c
    where c.change <> 'changed' or c.state_status is distinct from c.previous_status
),

spans as (
    select
        *,
        lead(snapshot_date) over of_build as to_date,
        lead(state_status) over of_build as next_status
    from changes
    window of_build as (partition by build_key order by snapshot_date)
),

newest as (
    select
        account_id,
        region,
        max(snapshot_date) as newest_date
    from main.target_captures
    where coverage = 'whole'
    group by all
)

select
    s.build_key::varchar || '/' || s.snapshot_date::varchar as state_key,
    s.build_key::varchar as build_key,
    case
        when s.image_slug is not null
            then concat_ws('/', s.account_id, s.region, s.image_owner_account, s.image_slug)
    end as image_key,
    concat_ws('/', s.account_id, s.region) as target_key,
    s.account_id,
    s.region,
    s.arn,
    s.name,
    s.image_owner_account,
    s.image_slug,
    s.type,
    s.platform,
    s.state_status,
    s.snapshot_date as from_date,
    s.to_date,
    s.next_status,
    coalesce(s.to_date, n.newest_date) - s.snapshot_date as day_count,
    s.to_date is not null as is_over,
    s.to_date is not null and s.previous_date is not null as is_whole
from spans as s
join newest as n
    on n.account_id = s.account_id and n.region = s.region
where not s.is_gone
