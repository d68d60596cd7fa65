-- Where an image's AMIs are: the regions and accounts that its newest five AVAILABLE builds reached with
-- an AVAILABLE AMI, and those of them that the newest one misses.
-- grain: one row an image, AMI region and AMI account (place_key)
-- asks: In which regions is the newest build missing that those before it reached?
-- example: select name, ami_region, newest_arn, last_arn from bi.region_coverage where is_missing_in_newest order by name, ami_region
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column place_key: The row: image, AMI region and AMI account, as a number in text.
-- column name: The image's name in its newest AVAILABLE build.
-- column platform: The platform of that build.
-- column newest_build_key: Joins to bi.builds: the image's newest AVAILABLE build.
-- column newest_arn: That build's ARN.
-- column newest_created_at_utc: When it was created (UTC).
-- column newest_created_date: The UTC day of that: joins to bi.calendar.
-- column considered_count: AVAILABLE builds looked at: five, or as many as the image has.
-- column reached_count: Those of them that have an AVAILABLE AMI here.
-- column is_missing_in_newest: True where the newest build has no AVAILABLE AMI here.
-- column last_arn: The newest build that has one.
-- column last_ami_id: Its AMI.
-- measure place_count = count(*): regions and accounts that images are distributed to
-- measure gap_count = count(*) filter (where is_missing_in_newest): those that the image's newest build misses
-- measure covered_share = count(*) filter (where not is_missing_in_newest) / nullif(count(*), 0): the part that the newest builds reach, from 0 to 1
select
    md5_number_lower(
        to_json([
            c.account_id, c.region, c.image_owner_account, c.image_slug, c.ami_region, c.ami_account_id
        ])
    )::varchar as place_key,
    case
        when c.image_slug is not null
            then concat_ws('/', c.account_id, c.region, c.image_owner_account, c.image_slug)
    end as image_key,
    concat_ws('/', c.account_id, c.region) as target_key,
    c.account_id,
    c.region,
    c.name,
    c.image_owner_account,
    c.image_slug,
    b.platform,
    c.ami_region,
    c.ami_account_id,
    c.considered_count,
    c.reached_count,
    c.is_missing_in_newest,
    md5_number_lower(concat_ws('|', c.account_id, c.region, c.newest_arn))::varchar as newest_build_key,
    c.newest_arn,
    b.created_at at time zone 'UTC' as newest_created_at_utc,
    (b.created_at at time zone 'UTC')::date as newest_created_date,
    c.last_arn,
    c.last_ami_id
from main.ami_region_coverage as c
join main.current_builds as b
    on b.account_id = c.account_id and b.region = c.region and b.arn = c.newest_arn
