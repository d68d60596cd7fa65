-- The AMIs that are kept beyond need: those that at least three AVAILABLE builds of the image, newer by
-- version and build number, have an AVAILABLE AMI of in the same region and account. AMIs that were
-- deprecated or disabled count, as they are stored all the same; failed and deleted ones do not.
-- grain: one row an AMI of a build (account_id, region, image_arn, position)
-- example: select name, ami_region, count(*) as amis, min(created_at) as oldest from build_sprawl group by all order by amis desc limit 10
-- column ami_state_status: The AMI's own state, its build's where none was sent.
-- column newer_count: Newer AVAILABLE builds that have an AVAILABLE AMI here: three or more.
-- column excess_count: Rows here of the image, region and account of this AMI.
with stored as (
    select
        b.snapshot_date,
        b.account_id,
        b.region,
        b.captured_at,
        b.image_owner_account,
        b.image_slug,
        b.name,
        b.semantic_version,
        b.version_major,
        b.version_minor,
        b.version_patch,
        b.build_number,
        b.state_status,
        b.created_at,
        a.image_arn,
        a.position,
        a.ami_region,
        a.ami_account_id,
        a.ami_id,
        a.ami_name,
        coalesce(a.state_status, b.state_status) as ami_state_status
    from current_amis as a
    join current_builds as b
        on b.account_id = a.account_id and b.region = a.region and b.arn = a.image_arn
    where
        b.image_slug is not null
        and b.state_status in ('AVAILABLE', 'DEPRECATED', 'DISABLED')
        and coalesce(a.state_status, b.state_status) in ('AVAILABLE', 'DEPRECATED', 'DISABLED')
),
builds_here as (
    select
        account_id,
        region,
        image_owner_account,
        image_slug,
        ami_region,
        ami_account_id,
        image_arn,
        version_major,
        version_minor,
        version_patch,
        build_number,
        created_at,
        bool_or(state_status = 'AVAILABLE' and ami_state_status = 'AVAILABLE') as is_available
    from stored
    group by all
),
ranked as (
    select
        account_id,
        region,
        image_arn,
        ami_region,
        ami_account_id,
        count(*) filter (where is_available) over (
            partition by
                account_id, region, image_owner_account, image_slug, ami_region, ami_account_id
            order by
                version_major desc nulls last,
                version_minor desc nulls last,
                version_patch desc nulls last,
                build_number desc nulls last,
                created_at desc nulls last,
                image_arn desc
            rows between unbounded preceding and 1 preceding
        ) as newer_count
    from builds_here
)
select
    s.snapshot_date,
    s.account_id,
    s.region,
    s.captured_at,
    s.image_owner_account,
    s.image_slug,
    s.name,
    s.semantic_version,
    s.build_number,
    s.created_at,
    s.image_arn,
    s.position,
    s.ami_region,
    s.ami_account_id,
    s.ami_id,
    s.ami_name,
    s.ami_state_status,
    r.newer_count,
    count(*) over (
        partition by
            s.account_id,
            s.region,
            s.image_owner_account,
            s.image_slug,
            s.ami_region,
            s.ami_account_id
    ) as excess_count
from stored as s
join ranked as r
    on
        r.account_id = s.account_id
        and r.region = s.region
        and r.image_arn = s.image_arn
        and r.ami_region is not distinct from s.ami_region
        and r.ami_account_id is not distinct from s.ami_account_id
where r.newer_count >= 3
