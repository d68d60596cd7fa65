-- The AMIs that are kept beyond need: of an image in an AMI region and account all that are older, by
-- version and build number, than the three newest AVAILABLE builds that have an AVAILABLE AMI there.
-- AMIs that were deprecated or disabled count, as they are stored all the same; failed and deleted
-- ones do not. An AMI whose own state was not sent counts as its build does. Only the account's own
-- builds count, not those that it lists as shared or Amazon's.
-- grain: one row an AMI of a build (account_id, region, image_arn, position)
-- asks: Which images keep the most AMIs beyond the newest three builds?
-- example: select name, ami_region, count(*) as amis, min(created_at) as oldest from build_sprawl group by all order by amis desc limit 10
-- column state_status: The build's state.
-- column ami_state_status: The AMI's own state, or its build's.
-- column excess_count: AMIs kept beyond need of this image in this region and account.
with ranked as (
    select
        account_id,
        region,
        arn,
        state_status,
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
    where
        state_status in ('AVAILABLE', 'DEPRECATED', 'DISABLED')
        and image_slug is not null
        and coalesce(ownership, 'Self') = 'Self'
),
stored as (
    select
        b.snapshot_date,
        b.account_id,
        b.region,
        b.captured_at,
        b.image_owner_account,
        b.image_slug,
        b.name,
        b.semantic_version,
        b.build_number,
        b.state_status,
        b.created_at,
        a.image_arn,
        a.position,
        a.ami_region,
        a.ami_account_id,
        a.ami_id,
        a.ami_name,
        coalesce(a.state_status, b.state_status) as ami_state_status,
        r.place
    from current_amis as a
    join current_builds as b
        on b.account_id = a.account_id and b.region = a.region and b.arn = a.image_arn
    join ranked as r
        on r.account_id = a.account_id and r.region = a.region and r.arn = a.image_arn
    where coalesce(a.state_status, b.state_status) in ('AVAILABLE', 'DEPRECATED', 'DISABLED')
),
needed as (
    select
        account_id,
        region,
        image_owner_account,
        image_slug,
        ami_region,
        ami_account_id,
        min(distinct place, 3) filter (
            where state_status = 'AVAILABLE' and ami_state_status = 'AVAILABLE'
        )[3] as third_place,
        list(place) as places
    from stored
    group by all
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
    s.state_status,
    s.created_at,
    s.image_arn,
    s.position,
    s.ami_region,
    s.ami_account_id,
    s.ami_id,
    s.ami_name,
    s.ami_state_status,
    len(list_filter(n.places, lambda place: place > n.third_place)) as excess_count
from stored as s
join needed as n
    on
        n.account_id = s.account_id
        and n.region = s.region
        and n.image_owner_account is not distinct from s.image_owner_account
        and n.image_slug = s.image_slug
        and n.ami_region is not distinct from s.ami_region
        and n.ami_account_id is not distinct from s.ami_account_id
where s.place > n.third_place
