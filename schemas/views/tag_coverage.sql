-- How many of a target's own current builds carry each tag key that any of them carries, and each key
-- that the newest snapshot was told to require (`--required-tag`), with 0 builds where none does. Builds
-- that are listed as shared or Amazon's do not count: their tags are not the account's to set.
-- grain: one row a target and tag key (account_id, region, tag_key)
-- asks: How many builds lack each required tag?
-- example: select tag_key, sum(tagged_count)::bigint as tagged, sum(untagged_count)::bigint as untagged from tag_coverage where is_required group by tag_key order by untagged desc
-- column tag_key: The tag's key, to the letter: `team` is another key than `Team`.
-- column is_required: True where the newest snapshot's parameters list the key as required.
-- column build_count: Current builds of the target that are its account's own.
-- column tagged_count: Those that carry the key, whatever its value.
-- column untagged_count: Those that do not.
-- column tagged_share: tagged_count of build_count, from 0 to 1.
with required as (
    select distinct unnest(from_json(parameters, '{"required_tag":["VARCHAR"]}').required_tag) as tag_key
    from (
        select parameters
        from snapshots
        order by snapshot_date desc
        limit 1
    )
),
own as (
    select
        account_id,
        region,
        tags
    from current_builds
    where coalesce(ownership, 'Self') = 'Self'
),
targets as (
    select
        account_id,
        region,
        count(*) as build_count
    from own
    group by all
),
used as (
    select
        account_id,
        region,
        tag_key,
        count(*) as tagged_count
    from (
        select
            account_id,
            region,
            unnest(map_keys(tags)) as tag_key
        from own
    )
    group by all
),
keys as (
    select
        account_id,
        region,
        tag_key
    from used
    union
    select
        t.account_id,
        t.region,
        r.tag_key
    from targets as t
    cross join required as r
)
select
    k.account_id,
    k.region,
    k.tag_key,
    r.tag_key is not null as is_required,
    t.build_count,
    coalesce(u.tagged_count, 0) as tagged_count,
    t.build_count - coalesce(u.tagged_count, 0) as untagged_count,
    coalesce(u.tagged_count, 0) / nullif(t.build_count, 0) as tagged_share
from keys as k
join targets as t using (account_id, region)
left join used as u using (account_id, region, tag_key)
left join required as r using (tag_key)
