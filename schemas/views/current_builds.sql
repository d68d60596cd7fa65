-- The builds of every target as its newest complete capture shows them: a target that could not be
-- read keeps its last known builds.
-- grain: one row a build (account_id, region, arn)
-- asks: Which are the newest builds?
-- example: select name, semantic_version, build_number, state_status, created_at from current_builds order by created_at desc limit 10
select image_builds.*
from current_targets
join image_builds using (snapshot_date, run_id, account_id, region)
