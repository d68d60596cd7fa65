-- The golden build of each image: the newest AVAILABLE one by version and build number, of those
-- that list an AVAILABLE AMI or a container. Deprecated and disabled builds are none.
-- grain: one row an image (account_id, region, image_owner_account, image_slug)
-- asks: Which build of each image is golden?
-- example: select name, semantic_version, build_number, created_at from golden_images order by name
with available_outputs as (
    select
        a.account_id,
        a.region,
        a.image_arn
    from current_amis as a
    join current_builds as b
        on b.account_id = a.account_id and b.region = a.region and b.arn = a.image_arn
    where coalesce(a.state_status, b.state_status) = 'AVAILABLE'
    union
    select
        account_id,
        region,
        image_arn
    from current_containers
)
select b.*
from current_builds as b
join available_outputs as o
    on o.account_id = b.account_id and o.region = b.region and o.image_arn = b.arn
where
    b.state_status = 'AVAILABLE'
    and b.image_slug is not null
qualify row_number() over (
    partition by b.account_id, b.region, b.image_owner_account, b.image_slug
    order by
        b.version_major desc nulls last,
        b.version_minor desc nulls last,
        b.version_patch desc nulls last,
        b.build_number desc nulls last,
        b.created_at desc nulls last,
        b.arn desc
) = 1
