-- A target has two rows.
-- severity: error
select
    account_id,
    region,
    format('{:d} rows', count(*)) as what
from snapshot_targets
group by account_id, region
having count(*) > 1
