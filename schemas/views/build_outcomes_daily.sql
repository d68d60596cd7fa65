-- How builds ended, by the UTC day of their creation: each build that was ever listed counts once, in
-- its last known state, those that were deleted since too. AVAILABLE, DEPRECATED and DISABLED builds
-- succeeded, and a DELETED one that an earlier whole capture shows so; another DELETED one failed where
-- it tells of a failure. What else it was, and how a build ended that was last seen running and is gone,
-- is not known.
-- grain: one row a UTC day, image, build type and platform (created_date, account_id, region, image_owner_account, image_slug, build_type, platform)
-- asks: How many builds succeeded and failed, day by day?
-- example: select created_date, sum(succeeded_count)::bigint as succeeded, sum(failed_count)::bigint as failed from build_outcomes_daily group by created_date order by created_date desc limit 14
-- column created_date: The UTC day of created_at; NULL where that is not known.
-- column build_count: Builds of that day.
-- column succeeded_count: Builds that came to be AVAILABLE.
-- column failed_count: Builds that FAILED.
-- column cancelled_count: Builds that were CANCELLED.
-- column running_count: Builds that are under way: PENDING, CREATING, BUILDING, TESTING, DISTRIBUTING or INTEGRATING, and still listed.
-- column other_count: Builds whose outcome is not known: gone while running, DELETED, without a state, or in one that the API was not known to send.
-- column success_rate: succeeded_count of those that succeeded or failed, from 0 to 1; NULL where none did.
select
    (created_at at time zone 'UTC')::date as created_date,
    account_id,
    region,
    image_owner_account,
    image_slug,
    build_type,
    platform,
    count(*) as build_count,
    count(*) filter (where outcome = 'succeeded') as succeeded_count,
    count(*) filter (where outcome = 'failed') as failed_count,
    count(*) filter (where outcome = 'cancelled') as cancelled_count,
    count(*) filter (where outcome = 'running') as running_count,
    count(*) filter (where outcome = 'other') as other_count,
    count(*) filter (where outcome = 'succeeded')
    / nullif(count(*) filter (where outcome in ('succeeded', 'failed')), 0) as success_rate
from build_results
group by all
