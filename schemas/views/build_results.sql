-- How each build ended that was ever listed, by its last known state (last_known_builds). AVAILABLE,
-- DEPRECATED and DISABLED builds succeeded, and a DELETED one that an earlier whole capture shows so;
-- another DELETED one failed where it tells of a failure. What else it was, and how a build ended that
-- was last seen running and is gone, is not known.
-- grain: one row a build (account_id, region, arn)
-- asks: How did the builds of an image end?
-- example: select image_slug, outcome, count(*) as builds from build_results where image_slug = 'web' group by all order by builds desc
-- column is_present: True where the target's newest complete capture still lists the build. False says that it is gone from the list, not why.
-- column outcome: succeeded, failed, cancelled, running (under way and still listed) or other (not known).
with succeeded as (
    select distinct
        account_id,
        region,
        arn,
        true as has_succeeded
    from capture_differences
    where previous_status in ('AVAILABLE', 'DEPRECATED', 'DISABLED')
)
select
    b.*,
    case
        when state_status in ('AVAILABLE', 'DEPRECATED', 'DISABLED') then 'succeeded'
        when state_status = 'FAILED' then 'failed'
        when state_status = 'DELETED' and has_succeeded then 'succeeded'
        when
            state_status = 'DELETED'
            and coalesce(
                failure_image_status,
                failure_step,
                failure_component_message,
                failure_distribution_message
            ) is not null
            then 'failed'
        when state_status = 'CANCELLED' then 'cancelled'
        when
            is_present
            and state_status in (
                'PENDING', 'CREATING', 'BUILDING', 'TESTING', 'DISTRIBUTING', 'INTEGRATING'
            )
            then 'running'
        else 'other'
    end as outcome
from last_known_builds as b
left join succeeded as s
    on
        s.account_id = b.account_id
        and s.region = b.region
        and s.arn = b.arn
        and b.state_status = 'DELETED'
