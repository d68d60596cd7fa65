-- The tags of the builds in current_builds, a row a tag.
-- grain: one row a tag of a build (account_id, region, image_arn, tag_key)
-- asks: Which builds carry no tag Team?
-- example: select b.arn from current_builds as b left join current_tags as t on t.image_arn = b.arn and t.tag_key = 'Team' where t.tag_key is null
-- column image_arn: The build that carries the tag: image_builds.arn.
-- column tag_key: The tag's key.
-- column tag_value: The tag's value.
select
    snapshot_date,
    run_id,
    account_id,
    region,
    captured_at,
    arn as image_arn,
    tag.key as tag_key,
    tag.value as tag_value
from (
    select
        *,
        unnest(map_entries(tags)) as tag
    from current_builds
)
