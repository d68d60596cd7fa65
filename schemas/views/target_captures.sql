-- Every complete capture that shows, and the one that it is compared with: the whole capture of the
-- same target before it. A date on which a target could not be read whole has none, so that what was
-- not seen then never counts as gone.
-- grain: one row a target and date of a complete capture (account_id, region, snapshot_date)
-- asks: Between which captures is there a gap, in which a target was not read?
-- example: select account_id, region, snapshot_date, snapshot_date - previous_date as days_since_previous from target_captures where previous_date < snapshot_date - 1
-- column previous_date: The date of the target's whole capture before this one; NULL where this is the first, or a filtered one.
-- column previous_run_id: The run of that capture.
-- column capture_key: A number for the two captures compared: it joins faster than what it stands for.
with captures as (
    select
        snapshot_date,
        run_id,
        account_id,
        region,
        captured_at,
        coverage,
        builds,
        case when coverage = 'whole' then lag(snapshot_date) over earlier end as previous_date,
        case when coverage = 'whole' then lag(run_id) over earlier end as previous_run_id
    from snapshot_targets
    where coverage in ('whole', 'filtered')
    window earlier as (partition by account_id, region, coverage order by snapshot_date)
)

select
    *,
    case
        when previous_run_id is not null
            then md5_number_lower(
                concat_ws('|', account_id, region, snapshot_date::varchar, run_id, previous_run_id)
            )
    end as capture_key
from captures
