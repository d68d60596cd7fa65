-- The AVAILABLE builds that are to be deprecated: those whose deprecation time is past (the query's
-- now() decides) and those to come, and whether the image has a newer AVAILABLE build by version and
-- build number.
-- grain: one row an AVAILABLE build with a deprecation time (account_id, region, arn)
-- asks: How many builds are overdue or due for deprecation, and how many of them have no successor?
-- example: select due, count(*) as builds, count(*) filter (where not has_successor) as without_successor from deprecations group by due order by min(days_left)
-- clock: due, days_left
-- column due: overdue; 30 days, 60 days or 90 days, where it is no longer until then; else later.
-- column days_left: Whole days of 24 hours until deprecation_time, rounded down: negative where it is past.
-- column has_successor: True where the image has a newer AVAILABLE build.
-- column successor_arn: The newest AVAILABLE build of the image; NULL where it is this one, or the ARN does not say which image it is.
with available as (
    select
        *,
        first_value(arn) over (
            partition by account_id, region, image_owner_account, image_slug
            order by
                version_major desc nulls last,
                version_minor desc nulls last,
                version_patch desc nulls last,
                build_number desc nulls last,
                created_at desc nulls last,
                arn desc
        ) as newest_arn,
        (epoch_us(deprecation_time) - epoch_us(now())) / 86400e6 as days
    from (
        select
            snapshot_date,
            account_id,
            region,
            captured_at,
            arn,
            name,
            type,
            platform,
            image_owner_account,
            image_slug,
            semantic_version,
            version_major,
            version_minor,
            version_patch,
            build_number,
            created_at,
            deprecation_time
        from current_builds
        where state_status = 'AVAILABLE'
    )
)
select
    snapshot_date,
    account_id,
    region,
    captured_at,
    arn,
    name,
    type,
    platform,
    image_owner_account,
    image_slug,
    semantic_version,
    build_number,
    created_at,
    deprecation_time,
    case
        when days <= 0 then 'overdue'
        when days <= 30 then '30 days'
        when days <= 60 then '60 days'
        when days <= 90 then '90 days'
        else 'later'
    end as due,
    floor(days)::bigint as days_left,
    image_slug is not null and newest_arn <> arn as has_successor,
    case when image_slug is not null and newest_arn <> arn then newest_arn end as successor_arn
from available
where deprecation_time is not null
