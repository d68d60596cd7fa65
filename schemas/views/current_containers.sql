-- The container images of the builds in current_builds.
-- grain: one row an image URI (account_id, region, image_arn, position, uri_position)
-- asks: Which builds list a tag latest?
-- example: select repository, tag, image_arn from current_containers where tag = 'latest'
select image_containers.*
from current_targets
join image_containers using (snapshot_date, run_id, account_id, region)
