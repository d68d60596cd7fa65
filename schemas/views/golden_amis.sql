-- The AMI to launch now: for each image, AMI region and AMI account the AVAILABLE AMI of the newest
-- AVAILABLE build by version and build number. An AMI whose own state was not sent counts as its
-- build does.
-- grain: one row an image, AMI region and AMI account (account_id, region, image_owner_account, image_slug, ami_region, ami_account_id)
-- asks: Which AMI is to be launched in eu-west-1?
-- example: select name, semantic_version, build_number, ami_id from golden_amis where ami_region = 'eu-west-1' order by name
-- column build_arn: The build that made the AMI: image_builds.arn.
-- column is_newest_build: False where the image's golden build has no AVAILABLE AMI here, so that an older build's stands.
select
    b.snapshot_date,
    b.account_id,
    b.region,
    b.captured_at,
    b.image_owner_account,
    b.image_slug,
    b.name,
    b.platform,
    b.os_version,
    b.semantic_version,
    b.build_number,
    b.created_at,
    b.deprecation_time,
    b.arn as build_arn,
    a.ami_region,
    a.ami_account_id,
    a.ami_id,
    a.ami_name,
    coalesce(b.arn = g.arn, false) as is_newest_build
from current_amis as a
join current_builds as b
    on b.account_id = a.account_id and b.region = a.region and b.arn = a.image_arn
left join golden_images as g
    on
        g.account_id = b.account_id
        and g.region = b.region
        and g.image_owner_account is not distinct from b.image_owner_account
        and g.image_slug = b.image_slug
where
    b.state_status = 'AVAILABLE'
    and b.image_slug is not null
    and coalesce(a.state_status, b.state_status) = 'AVAILABLE'
qualify row_number() over (
    partition by
        b.account_id,
        b.region,
        b.image_owner_account,
        b.image_slug,
        a.ami_region,
        a.ami_account_id
    order by
        b.version_major desc nulls last,
        b.version_minor desc nulls last,
        b.version_patch desc nulls last,
        b.build_number desc nulls last,
        b.created_at desc nulls last,
        b.arn desc,
        a.position desc
) = 1
