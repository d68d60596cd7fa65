-- The tags of every build in every snapshot, a row a tag.
-- grain: one row a tag of a build in a snapshot (run_id, account_id, region, image_arn, tag_key)
-- asks: Which teams tagged the most builds over all snapshots?
-- example: select tag_value, count(*) as builds from image_tags where tag_key = 'Team' group by tag_value order by builds desc
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
    from image_builds
)
