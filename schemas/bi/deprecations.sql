-- The AVAILABLE builds that are to be deprecated: those whose deprecation time is past (the query's
-- now() decides) and those to come, and whether the image has a newer AVAILABLE build.
-- grain: one row an AVAILABLE build with a deprecation time (build_key)
-- asks: How many builds are overdue or due for deprecation, and how many of them have no successor?
-- example: select due, count(*) as builds, count(*) filter (where not has_successor) as without_successor from bi.deprecations group by due order by min(days_left)
-- clock: due, days_left
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column deprecation_date: The UTC day of deprecation_time_utc: joins to bi.calendar, as far as that goes.
-- column deprecation_month: The first day of its month.
-- column due: overdue; 30 days, 60 days or 90 days, where it is no longer until then; else later.
-- column days_left: Whole days of 24 hours until deprecation_time_utc, rounded down: negative where it is past.
-- column has_successor: True where the image has a newer AVAILABLE build.
-- column successor_arn: The newest AVAILABLE build of the image; NULL where it is this one, or the ARN does not say which image it is.
-- measure deprecation_count = count(*): builds that are to be deprecated
-- measure due_count = count(*) filter (where days_left < 30): builds that are overdue or due within 30 days
-- measure overdue_count = count(*) filter (where due = 'overdue'): builds that are overdue
-- measure without_successor_count = count(*) filter (where not has_successor): builds without a newer AVAILABLE build
select
    md5_number_lower(concat_ws('|', account_id, region, arn))::varchar as build_key,
    case
        when image_slug is not null
            then concat_ws('/', account_id, region, image_owner_account, image_slug)
    end as image_key,
    concat_ws('/', account_id, region) as target_key,
    snapshot_date,
    account_id,
    region,
    arn,
    name,
    type,
    platform,
    image_owner_account,
    image_slug,
    semantic_version,
    build_number,
    created_at at time zone 'UTC' as created_at_utc,
    (created_at at time zone 'UTC')::date as created_date,
    deprecation_time at time zone 'UTC' as deprecation_time_utc,
    (deprecation_time at time zone 'UTC')::date as deprecation_date,
    date_trunc('month', (deprecation_time at time zone 'UTC')::date)::date as deprecation_month,
    due,
    days_left,
    has_successor,
    successor_arn,
    captured_at at time zone 'UTC' as captured_at_utc
from main.deprecations
where arn is not null
