-- What differs between each whole capture and the whole capture of the same target before it: the
-- builds that appeared, changed in any column, or disappeared. The order of tags is no difference, nor
-- is a column that the older of the two was written without, by an earlier version.
-- grain: one row a build that differs, and date (account_id, region, arn, snapshot_date)
-- asks: How much changed from one capture to the next?
-- example: select snapshot_date, change, count(*) as builds from capture_differences group by all order by all
-- column run_id: The run that shows for the date.
-- column captured_at: When the row was read: that of a build that disappeared, when it was last seen.
-- column previous_date: The date of the whole capture that it is compared with.
-- column previous_run_id: The run of that capture.
-- column capture_key: target_captures.capture_key.
-- column change: appeared, changed or disappeared.
-- column previous_status: The build's state_status before; NULL where it appeared.
-- column build_key: A number for the target's build, alike on every date: it groups faster than the ARN.
with pairs as (
    select *
    from target_captures
    where previous_run_id is not null
),

after as (
    select
        p.account_id,
        p.region,
        p.snapshot_date,
        b.arn,
        hash(
            list_sort(map_entries(b.tags)),
            *columns(b.* exclude (snapshot_date, run_id, account_id, region, captured_at, arn, tags))
        ) as content
    from pairs as p
    join image_builds as b
        on
            b.account_id = p.account_id
            and b.region = p.region
            and b.snapshot_date = p.snapshot_date
            and b.run_id = p.run_id
),

before as (
    select
        p.account_id,
        p.region,
        p.snapshot_date,
        b.arn,
        b.state_status,
        hash(
            list_sort(map_entries(b.tags)),
            *columns(b.* exclude (snapshot_date, run_id, account_id, region, captured_at, arn, tags))
        ) as content
    from pairs as p
    join image_builds as b
        on
            b.account_id = p.account_id
            and b.region = p.region
            and b.snapshot_date = p.previous_date
            and b.run_id = p.previous_run_id
),

differing as (
    select
        account_id,
        region,
        snapshot_date,
        arn,
        case
            when before.content is null then 'appeared'
            when after.content is null then 'disappeared'
            else 'changed'
        end as change,
        before.state_status as previous_status
    from before
    full join after using (account_id, region, snapshot_date, arn)
    where before.content is distinct from after.content
)

select
    p.snapshot_date,
    p.run_id,
    p.previous_date,
    p.previous_run_id,
    p.capture_key,
    d.change,
    d.previous_status,
    md5_number_lower(concat_ws('|', p.account_id, p.region, d.arn)) as build_key,
    b.* exclude (snapshot_date, run_id)
from differing as d
join pairs as p
    on
        p.account_id = d.account_id
        and p.region = d.region
        and p.snapshot_date = d.snapshot_date
join image_builds as b
    on
        b.account_id = d.account_id
        and b.region = d.region
        and b.snapshot_date
        = case when d.change = 'disappeared' then p.previous_date else p.snapshot_date end
        and b.run_id
        = case when d.change = 'disappeared' then p.previous_run_id else p.run_id end
        and b.arn = d.arn
