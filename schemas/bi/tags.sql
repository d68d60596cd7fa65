-- The tags of the builds that are listed now: join to bi.builds to slice by one.
-- grain: one row a tag of a build (tag_row_key)
-- asks: How many builds has each team?
-- example: select tag_value, count(distinct build_key) as builds from bi.tags where tag_key = 'Team' group by all order by builds desc
-- column build_key: Joins to bi.builds: a number for the target's build, alike on every date, as text (browsers round numbers so large).
-- column target_key: Joins to bi.targets: account_id/region.
-- column tag_row_key: The tag of the build: build_key/tag_key.
-- column arn: The build that carries the tag: bi.builds.arn.
-- column tag_key: The tag's key, to the letter.
-- column tag_value: The tag's value.
-- measure tagged_build_count = count(distinct build_key): builds that carry a tag
select
    md5_number_lower(concat_ws('|', account_id, region, image_arn))::varchar
    || '/' || tag_key as tag_row_key,
    md5_number_lower(concat_ws('|', account_id, region, image_arn))::varchar as build_key,
    concat_ws('/', account_id, region) as target_key,
    snapshot_date,
    account_id,
    region,
    image_arn as arn,
    tag_key,
    tag_value
from main.current_tags
where image_arn is not null
