-- How long builds took, as far as whole captures tell: the builds that one shows running, or that were
-- created since the capture before, and the first capture that shows them ended (AVAILABLE, FAILED,
-- CANCELLED or what comes after those). The API gives no time of the end, so the true duration lies
-- between the two bounds. Builds that had ended before the first capture of their target tell nothing.
-- grain: one row a build whose end was seen (account_id, region, arn)
-- asks: Which images take longest to build?
-- example: select image_slug, count(*) as builds, round(max(at_most_hours), 1) as longest_hours from build_completions group by image_slug order by longest_hours desc limit 10
-- column state_status: The first state after its end that a capture shows.
-- column captured_at: When the first capture that shows the build ended was taken.
-- column seen_running_at: When the build was read by the last capture that shows it running or, where nothing of it had changed, the capture before was taken; NULL where none does.
-- column at_least_hours: Hours from created_at to seen_running_at; 0 where no capture shows it running.
-- column at_most_hours: Hours from created_at to captured_at.
with ended as (
    select
        build_key,
        min(snapshot_date) as ended_date
    from build_changes
    where
        change <> 'disappeared'
        and state_status in (
            'AVAILABLE', 'CANCELLED', 'FAILED', 'DEPRECATED', 'DELETED', 'DISABLED'
        )
    group by build_key
),

ran as (
    select
        e.build_key,
        max(c.previous_date) as seen_running_date
    from ended as e
    join capture_differences as c
        on c.build_key = e.build_key and c.snapshot_date <= e.ended_date
    where
        c.previous_status in (
            'PENDING', 'CREATING', 'BUILDING', 'TESTING', 'DISTRIBUTING', 'INTEGRATING'
        )
    group by e.build_key
),

captures as (
    select *
    from target_captures
    where coverage = 'whole'
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
    b.platform,
    b.semantic_version,
    b.build_number,
    b.state_status,
    b.created_at,
    coalesce(shown.captured_at, before.captured_at) as seen_running_at,
    coalesce(
        greatest(
            0, epoch_us(coalesce(shown.captured_at, before.captured_at)) - epoch_us(b.created_at)
        ),
        0
    ) / 3600e6 as at_least_hours,
    (epoch_us(b.captured_at) - epoch_us(b.created_at)) / 3600e6 as at_most_hours
from ended as e
join build_changes as b
    on b.build_key = e.build_key and b.snapshot_date = e.ended_date
left join ran as r
    on r.build_key = e.build_key
left join build_changes as shown
    on shown.build_key = r.build_key and shown.snapshot_date = r.seen_running_date
left join captures as running
    on
        running.account_id = b.account_id
        and running.region = b.region
        and running.snapshot_date = r.seen_running_date
left join captures as before
    on
        before.account_id = b.account_id
        and before.region = b.region
        and before.snapshot_date = running.previous_date
left join captures as previous
    on
        previous.account_id = b.account_id
        and previous.region = b.region
        and previous.snapshot_date = b.previous_date
where
    b.change <> 'disappeared'
    and b.created_at <= b.captured_at
    and (r.seen_running_date is not null or b.created_at > previous.captured_at)
