-- The tag keys that the targets' own builds carry, as tag_coverage counts them, and those that the newest
-- snapshot was told to require; required and rare ones first.
-- more: select tag_key, bool_or(is_required) as is_required, sum(tagged_count)::bigint as tagged from tag_coverage group by all
with keys as (
    select
        tag_key,
        bool_or(is_required) as is_required,
        sum(tagged_count)::bigint as tagged,
        (select count(*) from current_builds where coalesce(ownership, 'Self') = 'Self') as builds
    from tag_coverage
    group by tag_key
)
select
    tag_key,
    if(is_required, 'required', null) as requirement,
    tagged,
    builds - tagged as untagged,
    tagged / nullif(builds, 0) as share,
    count(*) filter (where is_required) over () as required_keys,
    count(*) filter (where is_required and tagged = builds) over () as complete_keys
from keys
order by is_required desc, tagged, tag_key
limit 12
