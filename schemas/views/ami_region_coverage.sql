-- Where an image's AMIs are: the regions and accounts that its newest five AVAILABLE builds, by version
-- and build number, reached with an AVAILABLE AMI, and those of them that the newest one misses. An AMI
-- whose own state was not sent counts as its build does.
-- grain: one row an image, AMI region and AMI account (account_id, region, image_owner_account, image_slug, ami_region, ami_account_id)
-- asks: In which regions is the newest build missing that those before it reached?
-- example: select name, ami_region, newest_arn, last_arn from ami_region_coverage where is_missing_in_newest order by name, ami_region
-- column name: The image's name in its newest AVAILABLE build.
-- column considered_count: AVAILABLE builds looked at: five, or as many as the image has.
-- column reached_count: Those of them that have an AVAILABLE AMI here.
-- column newest_arn: The image's newest AVAILABLE build.
-- column is_missing_in_newest: True where that build has no AVAILABLE AMI here.
-- column last_arn: The newest build that has one.
-- column last_ami_id: Its AMI.
with ranked as (
    select
        account_id,
        region,
        image_owner_account,
        image_slug,
        arn,
        name,
        row_number() over (
            partition by account_id, region, image_owner_account, image_slug
            order by
                version_major desc nulls last,
                version_minor desc nulls last,
                version_patch desc nulls last,
                build_number desc nulls last,
                created_at desc nulls last,
                arn desc
        ) as place
    from current_builds
    where state_status = 'AVAILABLE' and image_slug is not null
),
considered as (
    select
        *,
        count(*) over image as considered_count,
        max(arn) filter (where place = 1) over image as newest_arn,
        max(name) filter (where place = 1) over image as newest_name
    from ranked
    where place <= 5
    window image as (partition by account_id, region, image_owner_account, image_slug)
),
places as (
    select
        c.account_id,
        c.region,
        c.image_owner_account,
        c.image_slug,
        c.newest_name as name,
        a.ami_region,
        a.ami_account_id,
        c.considered_count,
        count(distinct c.arn) as reached_count,
        c.newest_arn,
        min(c.place) > 1 as is_missing_in_newest,
        min({'place': c.place, 'order': -a.position, 'arn': c.arn, 'ami_id': a.ami_id}) as last
    from considered as c
    join current_amis as a
        on a.account_id = c.account_id and a.region = c.region and a.image_arn = c.arn
    where coalesce(a.state_status, 'AVAILABLE') = 'AVAILABLE' and a.ami_region is not null
    group by all
)
select
    * exclude (last),
    last.arn as last_arn,
    last.ami_id as last_ami_id
from places
