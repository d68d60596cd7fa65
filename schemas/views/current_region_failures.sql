-- The regions that distributions of the builds in current_builds failed in.
-- grain: one row a failure in a region, of a build or of one of its AMIs (account_id, region, image_arn, ami_position, position)
-- asks: In which regions do distributions fail, and at which step?
-- example: select failed_region, image_configuration_step, count(*) as failures from current_region_failures group by all order by failures desc
select image_region_failures.*
from current_targets
join image_region_failures using (snapshot_date, run_id, account_id, region)
