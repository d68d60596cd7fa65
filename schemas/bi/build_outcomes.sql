-- How builds ended, by the UTC day of their creation: each build that was ever listed counts once, in
-- its last known state, those that are gone too. A rate is of sums: see its measures.
-- grain: one row a UTC day, image, build type and platform (outcome_key)
-- asks: How does the rate of success go, week by week?
-- example: select c.week_start, sum(o.succeeded_count) / nullif(sum(o.succeeded_count) + sum(o.failed_count), 0) as success_rate from bi.calendar as c join bi.build_outcomes as o on o.created_date = c.calendar_date group by all order by all
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column outcome_key: The row: target_key, image, build type, platform and day, as a number in text.
-- column created_date: The UTC day on which the builds were created: joins to bi.calendar; NULL where that is not known.
-- column build_count: Builds of that day.
-- column succeeded_count: Builds that came to be AVAILABLE.
-- column failed_count: Builds that FAILED.
-- column cancelled_count: Builds that were CANCELLED.
-- column running_count: Builds that are under way and still listed.
-- column other_count: Builds whose outcome is not known: gone while running, DELETED, without a state, or in one that the API was not known to send.
-- measure builds = sum(build_count)::bigint: builds
-- measure succeeded = sum(succeeded_count)::bigint: builds that succeeded
-- measure failed = sum(failed_count)::bigint: builds that failed
-- measure success_rate = sum(succeeded_count) / nullif(sum(succeeded_count) + sum(failed_count), 0): the part that succeeded of the builds that succeeded or failed, from 0 to 1
select
    md5_number_lower(
        to_json([
            account_id, region, image_owner_account, image_slug, build_type, platform,
            created_date::varchar
        ])
    )::varchar as outcome_key,
    case
        when image_slug is not null
            then concat_ws('/', account_id, region, image_owner_account, image_slug)
    end as image_key,
    concat_ws('/', account_id, region) as target_key,
    created_date,
    account_id,
    region,
    image_owner_account,
    image_slug,
    build_type,
    platform,
    build_count,
    succeeded_count,
    failed_count,
    cancelled_count,
    running_count,
    other_count
from main.build_outcomes_daily
