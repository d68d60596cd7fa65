-- Every build that was ever listed, as its newest capture shows it: those of current_builds, and those
-- that are gone from them. Of a target's captures those count that current_targets chooses among: the
-- whole ones, and the filtered ones of a target that was never read whole. A build without an ARN cannot
-- be followed and is left out.
-- grain: one row a build (account_id, region, arn)
-- asks: Which builds disappeared last, and what were they?
-- example: select name, semantic_version, build_number, state_status, captured_at as last_seen_at from last_known_builds where not is_present order by captured_at desc limit 10
-- column is_present: True where the target's newest complete capture still lists the build. False says that it is gone from the list, not why.
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
select *
from (
    -- in here: DuckDB reads all columns below a CTE that it keeps
    with captures as (
        select
            c.account_id,
            c.region,
            c.snapshot_date,
            c.run_id
        from target_captures as c
        semi join (from current_targets where coverage = 'filtered') as f
            on f.account_id = c.account_id and f.region = c.region
    ),

    last_seen as (
        select
            b.account_id,
            b.region,
            b.arn,
            arg_max(b.snapshot_date, b.snapshot_date) as snapshot_date  -- DuckDB 2.0 takes max() of all first
        from captures as c
        join image_builds as b
            on
                b.account_id = c.account_id
                and b.region = c.region
                and b.snapshot_date = c.snapshot_date
                and b.run_id = c.run_id
        group by all
    )

    -- semi and anti joins: an inner one with last_seen is put first, and reads every build of every date
    select
        b.*,
        false as is_present
    from captures as c
    join image_builds as b
        on
            b.account_id = c.account_id
            and b.region = c.region
            and b.snapshot_date = c.snapshot_date
            and b.run_id = c.run_id
    semi join last_seen as l
        on
            l.account_id = b.account_id
            and l.region = b.region
            and l.arn = b.arn
            and l.snapshot_date = b.snapshot_date
    anti join current_builds as p
        on p.account_id = b.account_id and p.region = b.region and p.arn = b.arn
)
