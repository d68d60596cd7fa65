-- Every build that was ever listed, as its newest capture shows it: those of current_builds, and those
-- that are gone from them. Of a target's captures those count that current_targets chooses among: the
-- whole ones, and the filtered ones of a target that was never read whole. A build without an ARN cannot
-- be followed and is left out.
-- grain: one row a build (account_id, region, arn)
-- asks: Which builds disappeared last, and what were they?
-- example: select name, semantic_version, build_number, state_status, captured_at as last_seen_at from last_known_builds where not is_present order by captured_at desc limit 10
-- column is_present: True where the target's newest complete capture still lists the build. False says that it is gone from the list, not why.
with captures as (
    select
        t.snapshot_date,
        t.run_id,
        t.account_id,
        t.region,
        t.snapshot_date = c.snapshot_date as is_newest
    from current_targets as c
    join snapshot_targets as t
        on t.account_id = c.account_id and t.region = c.region and t.coverage = c.coverage
),
last_sights as (
    select
        b.account_id,
        b.region,
        b.arn,
        max(b.snapshot_date) as snapshot_date,
        bool_or(c.is_newest) as is_present
    from captures as c
    join image_builds as b using (snapshot_date, run_id, account_id, region)
    group by all
)
select
    b.*,
    s.is_present
from last_sights as s
join image_builds as b using (snapshot_date, account_id, region, arn)
