-- The API sent a member that no column holds; it is kept in extra.
-- severity: warning
with kept as (
    select
        'image_builds' as table_name,
        account_id,
        region,
        extra
    from image_builds
    where extra is not null and json_valid(extra)
    union all
    select
        'image_amis' as table_name,
        account_id,
        region,
        extra
    from image_amis
    where extra is not null and json_valid(extra)
    union all
    select
        'image_containers' as table_name,
        account_id,
        region,
        extra
    from image_containers
    where extra is not null and json_valid(extra)
    union all
    select
        'image_region_failures' as table_name,
        account_id,
        region,
        extra
    from image_region_failures
    where extra is not null and json_valid(extra)
)
select
    min(kept.account_id) as account_id,
    min(kept.region) as region,
    format(
        '{} {} ({:d} rows)',
        kept.table_name, regexp_replace(member.fullkey, '\[[0-9]+\]', '[]', 'g'), count(*)
    ) as what
from kept
cross join json_tree(kept.extra) as member
where member.type not in ('OBJECT', 'ARRAY')
group by kept.table_name, regexp_replace(member.fullkey, '\[[0-9]+\]', '[]', 'g')
order by what
