-- The API sent a member that no column holds; it is kept in extra.
-- severity: warning
with recursive kept as (
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
    -- a level of nesting at a time: json_tree takes minutes for one value of 200 kB
    select
        table_name,
        account_id,
        region,
        '' as path,
        extra::json as value
    from kept
    union all
    select
        table_name,
        account_id,
        region,
        path || unnest(
            case json_type(value)
                when 'ARRAY' then list_transform(json_extract(value, '$[*]'), lambda item: '[]')
                else list_transform(json_keys(value), lambda name: '.' || name)
            end
        ) as path,
        unnest(
            case json_type(value)
                when 'ARRAY' then json_extract(value, '$[*]')
                else json_extract(value, '$.*')
            end
        ) as value
    from members
    where json_type(value) in ('OBJECT', 'ARRAY')
)
select
    min(account_id) as account_id,
    min(region) as region,
    format('{} {} ({:d})', table_name, substr(path, 2), count(*)) as what
from members
where json_type(value) not in ('OBJECT', 'ARRAY')
group by table_name, path
order by what
