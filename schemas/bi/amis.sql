-- The AMIs of the builds that are listed now, in every region and account that they were distributed to,
-- with what their build says of the image.
-- grain: one row an AMI of a build (ami_key)
-- asks: How many AMIs are there in each region and state?
-- example: select ami_region, ami_state_status, count(*) as amis from bi.amis group by all order by amis desc
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column ami_key: The AMI of the build: build_key/position.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column build_state_status: The build's state.
-- column ami_state_status: The AMI's own state, or its build's where it was not sent.
-- column is_available: True where the build and the AMI are AVAILABLE: it can be launched.
-- column arn: The build that lists the AMI: bi.builds.arn.
-- measure ami_count = count(*): AMIs, as builds list them
-- measure available_ami_count = count(*) filter (where is_available): AMIs that can be launched
-- measure image_count = count(distinct image_key): images
select
    md5_number_lower(concat_ws('|', a.account_id, a.region, a.image_arn))::varchar
    || '/' || a.position::varchar as ami_key,
    md5_number_lower(concat_ws('|', a.account_id, a.region, a.image_arn))::varchar as build_key,
    case
        when b.image_slug is not null
            then concat_ws('/', b.account_id, b.region, b.image_owner_account, b.image_slug)
    end as image_key,
    concat_ws('/', a.account_id, a.region) as target_key,
    a.snapshot_date,
    a.account_id,
    a.region,
    a.image_arn as arn,
    a.position,
    a.ami_region,
    a.ami_account_id,
    a.ami_id,
    a.ami_name,
    a.ami_description,
    b.name,
    b.image_owner_account,
    b.image_slug,
    b.platform,
    b.os_version,
    b.semantic_version,
    b.build_number,
    b.state_status as build_state_status,
    coalesce(a.state_status, b.state_status) as ami_state_status,
    coalesce(
        b.state_status = 'AVAILABLE' and coalesce(a.state_status, 'AVAILABLE') = 'AVAILABLE', false
    ) as is_available,
    b.created_at at time zone 'UTC' as created_at_utc,
    (b.created_at at time zone 'UTC')::date as created_date,
    b.deprecation_time at time zone 'UTC' as deprecation_time_utc,
    a.captured_at at time zone 'UTC' as captured_at_utc
from main.current_amis as a
join main.current_builds as b
    on b.account_id = a.account_id and b.region = a.region and b.arn = a.image_arn
