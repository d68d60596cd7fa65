-- What lifecycle policies did: for each run of one the builds that it was the last to act on, by their
-- last known state, those that are gone from the list too. A later run takes a build over.
-- grain: one row a lifecycle execution in a target (account_id, region, lifecycle_execution_id)
-- asks: What did the lifecycle policies do last?
-- example: select lifecycle_execution_id, states, build_count, gone_count, last_seen_at from lifecycle_actions order by last_seen_at desc limit 10
-- column build_count: Builds that the execution was the last to act on.
-- column image_count: Images that these are builds of.
-- column states: Their states, as text: `DELETED, DEPRECATED`.
-- column deprecated_count: Builds that are DEPRECATED.
-- column disabled_count: Builds that are DISABLED.
-- column deleted_count: Builds that are DELETED.
-- column other_count: Builds in any other state.
-- column gone_count: Of all these, builds that their target's newest complete capture no longer lists.
-- column first_created_at: When the oldest of the builds was created.
-- column last_created_at: When the newest of the builds was created.
-- column last_seen_at: When the newest capture that lists one of them was taken.
select
    account_id,
    region,
    lifecycle_execution_id,
    count(*) as build_count,
    count(distinct (image_owner_account, image_slug)) as image_count,
    string_agg(distinct state_status, ', ' order by state_status) as states,
    count(*) filter (where state_status = 'DEPRECATED') as deprecated_count,
    count(*) filter (where state_status = 'DISABLED') as disabled_count,
    count(*) filter (where state_status = 'DELETED') as deleted_count,
    count(*) filter (
        where coalesce(state_status, '') not in ('DEPRECATED', 'DISABLED', 'DELETED')
    ) as other_count,
    count(*) filter (where not is_present) as gone_count,
    min(created_at) as first_created_at,
    max(created_at) as last_created_at,
    max(captured_at) as last_seen_at
from last_known_builds
where lifecycle_execution_id is not null
group by all
