-- The container images of the builds that are listed now, by URI, and which build a URI stands for now.
-- grain: one row an image URI of a build (container_key)
-- asks: Which build does each :latest stand for now?
-- example: select image_uri, name, semantic_version, build_number from bi.containers where tag = 'latest' and is_owner order by image_uri
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column image_key: Joins to bi.images: account_id/region/image_owner_account/image_slug; NULL where the ARN does not say which image it is.
-- column target_key: Joins to bi.targets: account_id/region.
-- column container_key: The URI of the build: build_key/image_uri.
-- column arn: The build that lists the URI: bi.builds.arn.
-- column created_date: The UTC day of created_at_utc: joins to bi.calendar.
-- column state_status: The build's state.
-- column owner_arn: The build that the URI stands for now; NULL where no AVAILABLE build lists it.
-- column is_owner: True where that is this row's build.
-- measure uri_count = count(*): URIs, as builds list them
-- measure repository_count = count(distinct repository): repositories
select
    md5_number_lower(concat_ws('|', c.account_id, c.region, c.image_arn))::varchar
    || '/' || c.image_uri as container_key,
    md5_number_lower(concat_ws('|', c.account_id, c.region, c.image_arn))::varchar as build_key,
    case
        when c.image_slug is not null
            then concat_ws('/', c.account_id, c.region, c.image_owner_account, c.image_slug)
    end as image_key,
    concat_ws('/', c.account_id, c.region) as target_key,
    c.snapshot_date,
    c.account_id,
    c.region,
    c.image_arn as arn,
    c.image_uri,
    c.container_region,
    c.registry,
    c.repository,
    c.tag,
    c.digest,
    c.name,
    c.image_owner_account,
    c.image_slug,
    c.semantic_version,
    c.build_number,
    c.state_status,
    c.created_at at time zone 'UTC' as created_at_utc,
    (c.created_at at time zone 'UTC')::date as created_date,
    c.captured_at at time zone 'UTC' as captured_at_utc,
    c.owner_arn,
    c.is_owner
from main.container_images as c
