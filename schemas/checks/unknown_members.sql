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
),
members as (
    select
        kept.table_name,
        kept.account_id,
        kept.region,
        regexp_replace(substr(member.fullkey, 3), '\[[0-9]+\]', '[]', 'g') as path
    from kept
    cross join json_tree(kept.extra) as member
    where member.type not in ('OBJECT', 'ARRAY')
)
select
    min(account_id) as account_id,
    min(region) as region,
    format('{} {} ({:d})', table_name, path, count(*)) as what
from members
group by table_name, path
order by what
