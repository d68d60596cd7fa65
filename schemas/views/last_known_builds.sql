-- Every build that was ever listed, as its newest capture shows it: those of current_builds, and those
-- that are gone from them. Of a target's captures those count that current_targets chooses among: the
-- whole ones, and the filtered ones of a target that was never read whole. A build without an ARN cannot
-- be followed and is left out.
-- grain: one row a build (account_id, region, arn)
-- asks: Which builds disappeared last, and what were they?
-- example: select name, semantic_version, build_number, state_status, captured_at as last_seen_at from last_known_builds where not is_present order by captured_at desc limit 10
-- column is_present: True where the target's newest complete capture still lists the build. False says that it is gone from the list, not why.
with filtered_targets as (
    select
        account_id,
        region
    from current_targets
    where coverage = 'filtered'
),

last_seen as (
    select
        f.account_id,
        f.region,
        b.arn,
        max(b.snapshot_date) as snapshot_date,
        arg_max(b.run_id, b.snapshot_date) as run_id
    from filtered_targets as f
    join target_captures as c
        on c.account_id = f.account_id and c.region = f.region
    join image_builds as b
        on
            b.account_id = c.account_id
            and b.region = c.region
            and b.snapshot_date = c.snapshot_date
            and b.run_id = c.run_id
    group by all
)

select
    *,
    true as is_present
from current_builds
where arn is not null
union all by name
select
    * exclude (last_seen_date, last_seen_run_id, disappeared_date),
    last_seen_date as snapshot_date,
    last_seen_run_id as run_id,
    false as is_present
from disappeared_builds
union all by name
select
    b.*,
    false as is_present
from last_seen as l
join image_builds as b
    on
        b.account_id = l.account_id
        and b.region = l.region
        and b.arn = l.arn
        and b.snapshot_date = l.snapshot_date
        and b.run_id = l.run_id
anti join current_builds as c
    on c.account_id = l.account_id and c.region = l.region and c.arn = l.arn
