-- The container images that current builds list, by URI, and which build a URI stands for now: a tag
-- moves to whoever pushes it last, so the newest AVAILABLE build by creation time that lists the URI
-- owns it, whichever image or target it is of.
-- grain: one row an image URI of a build (account_id, region, image_arn, image_uri)
-- asks: Which build does each :latest stand for now?
-- example: select image_uri, name, semantic_version, build_number from container_images where tag = 'latest' and is_owner order by image_uri
-- column state_status: The build's state.
-- column owner_arn: The build that the URI stands for now; NULL where no AVAILABLE build lists it.
-- column is_owner: True for one row a URI, that of this build: where several targets list it, of the account's own.
with listed as (
    select
        c.snapshot_date,
        c.account_id,
        c.region,
        c.image_arn,
        c.image_uri,
        any_value(c.captured_at) as captured_at,
        any_value(c.container_region) as container_region,
        any_value(c.registry) as registry,
        any_value(c.repository) as repository,
        any_value(c.tag) as tag,
        any_value(c.digest) as digest
    from current_containers as c
    where c.image_uri is not null
    group by all
),
with_build as (
    select
        l.*,
        b.name,
        b.image_owner_account,
        b.image_slug,
        b.semantic_version,
        b.build_number,
        b.state_status,
        b.created_at,
        first_value(case when b.state_status = 'AVAILABLE' then b.arn end) over newest as owner_arn,
        row_number() over newest as place
    from listed as l
    join current_builds as b
        on b.account_id = l.account_id and b.region = l.region and b.arn = l.image_arn
    window newest as (
        partition by l.image_uri
        order by
            b.state_status = 'AVAILABLE' desc nulls last,
            b.created_at desc nulls last,
            b.version_major desc nulls last,
            b.version_minor desc nulls last,
            b.version_patch desc nulls last,
            b.build_number desc nulls last,
            b.arn desc,
            coalesce(b.ownership, 'Self') = 'Self' desc,
            b.account_id asc,
            b.region asc
    )
)
select
    snapshot_date,
    account_id,
    region,
    captured_at,
    image_uri,
    registry,
    repository,
    tag,
    digest,
    container_region,
    image_arn,
    name,
    image_owner_account,
    image_slug,
    semantic_version,
    build_number,
    state_status,
    created_at,
    owner_arn,
    place = 1 and owner_arn is not null as is_owner
from with_build
