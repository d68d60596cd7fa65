-- How long builds took, as far as whole captures tell: the builds that one shows running, or that were
-- created since the capture before, and the first capture that shows them ended (AVAILABLE, FAILED,
-- CANCELLED or what comes after those). The API gives no time of the end, so the true duration lies
-- between the two bounds. Builds that had ended before the first capture of their target tell nothing.
-- grain: one row a build whose end was seen (account_id, region, arn)
-- asks: Which images take longest to build?
-- example: select image_slug, count(*) as builds, round(max(at_most_hours), 1) as longest_hours from build_completions group by image_slug order by longest_hours desc limit 10
-- column state_status: The first state after its end that a capture shows.
-- column captured_at: When the first capture that shows the build ended was taken.
-- column seen_running_at: When the last capture that shows the build running was taken; NULL where none does.
-- column at_least_hours: Hours from created_at to seen_running_at; 0 where no capture shows it running.
-- column at_most_hours: Hours from created_at to captured_at.
with captures as (
    select
        snapshot_date,
        run_id,
        account_id,
        region,
        lag(captured_at) over (
            partition by account_id, region order by snapshot_date
        ) as previous_captured_at
    from snapshot_targets
    where coverage = 'whole'
),
sights as (
    select
        b.account_id,
        b.region,
        b.arn,
        min(b.snapshot_date) filter (
            where b.state_status in (
                'AVAILABLE', 'CANCELLED', 'FAILED', 'DEPRECATED', 'DELETED', 'DISABLED'
            )
        ) as ended_date,
        max(b.captured_at) filter (
            where b.state_status in (
                'PENDING', 'CREATING', 'BUILDING', 'TESTING', 'DISTRIBUTING', 'INTEGRATING'
            )
        ) as seen_running_at,
        max(b.snapshot_date) filter (
            where b.state_status in (
                'PENDING', 'CREATING', 'BUILDING', 'TESTING', 'DISTRIBUTING', 'INTEGRATING'
            )
        ) as seen_running_date
    from captures as c
    join image_builds as b using (snapshot_date, run_id, account_id, region)
    group by all
)
select
    b.snapshot_date,
    b.account_id,
    b.region,
    b.captured_at,
    b.arn,
    b.name,
    b.image_owner_account,
    b.image_slug,
    b.semantic_version,
    b.build_number,
    b.state_status,
    b.created_at,
    s.seen_running_at,
    coalesce(
        greatest(0, epoch_us(s.seen_running_at) - epoch_us(b.created_at)), 0
    ) / 3600e6 as at_least_hours,
    (epoch_us(b.captured_at) - epoch_us(b.created_at)) / 3600e6 as at_most_hours
from sights as s
join captures as c
    on
        c.account_id = s.account_id
        and c.region = s.region
        and c.snapshot_date = s.ended_date
join image_builds as b
    on
        b.account_id = s.account_id
        and b.region = s.region
        and b.arn = s.arn
        and b.snapshot_date = s.ended_date
where
    b.created_at <= b.captured_at
    and coalesce(
        s.seen_running_date < s.ended_date, b.created_at > c.previous_captured_at
    )
