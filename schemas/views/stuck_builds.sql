-- The builds that seem stuck: their newest capture shows them running 24 hours or more after they were
-- created, and for longer than is usual for their image. Usual is what 19 of 20 of the image's builds
-- took at the most whose end was seen (build_completions): their 95th percentile, with fewer than 20
-- the longest. Captures a day apart tell an end only to the day, so the rule errs to the side of
-- patience. An image of which no end was seen has the 24 hours alone.
-- grain: one row a stuck build (account_id, region, arn)
-- asks: Which builds run longer than theirs usually do?
-- example: select name, semantic_version, build_number, state_status, running_hours, usual_hours from stuck_builds order by running_hours desc
-- column running_hours: Hours from created_at to the capture that still shows the build running.
-- column usual_hours: What the image's builds usually take at the most; NULL where no end was seen.
-- column completion_count: Builds of the image whose end was seen.
with usual as (
    select
        account_id,
        region,
        image_owner_account,
        image_slug,
        quantile_disc(at_most_hours, 0.95) as usual_hours,
        count(*) as completion_count
    from build_completions
    where image_slug is not null
    group by all
)
select
    b.snapshot_date,
    b.account_id,
    b.region,
    b.captured_at,
    b.arn,
    b.name,
    b.type,
    b.platform,
    b.image_owner_account,
    b.image_slug,
    b.semantic_version,
    b.build_number,
    b.state_status,
    b.created_at,
    round((epoch_us(b.captured_at) - epoch_us(b.created_at)) / 3600e6, 1) as running_hours,
    round(u.usual_hours, 1) as usual_hours,
    coalesce(u.completion_count, 0) as completion_count,
    b.log_group_name
from current_builds as b
left join usual as u
    on
        u.account_id = b.account_id
        and u.region = b.region
        and u.image_owner_account is not distinct from b.image_owner_account
        and u.image_slug = b.image_slug
where
    b.state_status in (
        'PENDING', 'CREATING', 'BUILDING', 'TESTING', 'DISTRIBUTING', 'INTEGRATING'
    )
    and (epoch_us(b.captured_at) - epoch_us(b.created_at)) / 3600e6 >= 24
    and (epoch_us(b.captured_at) - epoch_us(b.created_at)) / 3600e6 > coalesce(u.usual_hours, 0)
