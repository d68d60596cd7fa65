-- A target has other than the builds that landed.
-- severity: error
with written as (
    select
        account_id,
        region,
        count(*) as builds
    from image_builds
    group by account_id, region
)
select
    t.account_id,
    t.region,
    format(
        '{:d} builds landed, {:d} were written and {:d} are told',
        coalesce(l.builds, 0), coalesce(w.builds, 0), t.builds
    ) as what
from snapshot_targets as t
left join written as w using (account_id, region)
left join landed as l using (account_id, region)
where coalesce(w.builds, 0) <> t.builds or coalesce(l.builds, 0) <> t.builds
union all
select
    w.account_id,
    w.region,
    format('{:d} builds of a target that the snapshot does not have', w.builds) as what
from written as w
anti join snapshot_targets as t using (account_id, region)
