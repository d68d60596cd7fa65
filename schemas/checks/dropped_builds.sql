-- More builds are gone than is likely; where they are, run again with --accept-drop.
-- severity: error
select
    t.account_id,
    t.region,
    format(
        '{:d} builds, where its last complete capture ({}) had {:d}',
        t.builds, e.snapshot_date::varchar, e.builds
    ) as what
from snapshot_targets as t
join earlier_captures as e using (account_id, region)
cross join settings as s
where
    t.coverage = 'whole'
    and t.builds < e.builds * (1 - s.max_drop)
    and e.builds - t.builds >= 5 -- of a handful, any may go on any day
