-- The AMIs of the builds in current_builds.
-- grain: one row an AMI of a build (account_id, region, image_arn, position)
-- asks: How many AMIs are there in each region?
-- example: select ami_region, count(distinct ami_id) as amis from current_amis group by ami_region order by ami_region
select image_amis.*
from current_targets
join image_amis using (snapshot_date, run_id, account_id, region)
