-- The API sent a value that it was not known to send.
-- severity: warning
with sent as (
    select
        'image_builds' as table_name,
        'type' as column_name,
        type as value,
        account_id,
        region,
        count(*) as row_count
    from image_builds
    group by all
    union all
    select
        'image_builds' as table_name,
        'platform' as column_name,
        platform as value,
        account_id,
        region,
        count(*) as row_count
    from image_builds
    group by all
    union all
    select
        'image_builds' as table_name,
        'state_status' as column_name,
        state_status as value,
        account_id,
        region,
        count(*) as row_count
    from image_builds
    group by all
    union all
    select
        'image_builds' as table_name,
        'build_type' as column_name,
        build_type as value,
        account_id,
        region,
        count(*) as row_count
    from image_builds
    group by all
    union all
    select
        'image_builds' as table_name,
        'image_source' as column_name,
        image_source as value,
        account_id,
        region,
        count(*) as row_count
    from image_builds
    group by all
    union all
    select
        'image_builds' as table_name,
        'failure_image_status' as column_name,
        failure_image_status as value,
        account_id,
        region,
        count(*) as row_count
    from image_builds
    group by all
    union all
    select
        'image_amis' as table_name,
        'state_status' as column_name,
        state_status as value,
        account_id,
        region,
        count(*) as row_count
    from image_amis
    group by all
    union all
    select
        'image_amis' as table_name,
        'failure_image_status' as column_name,
        failure_image_status as value,
        account_id,
        region,
        count(*) as row_count
    from image_amis
    group by all
    union all
    select
        'image_region_failures' as table_name,
        'status' as column_name,
        status as value,
        account_id,
        region,
        count(*) as row_count
    from image_region_failures
    group by all
    union all
    select
        'image_region_failures' as table_name,
        'image_configuration_step' as column_name,
        image_configuration_step as value,
        account_id,
        region,
        count(*) as row_count
    from image_region_failures
    group by all
)
select
    min(account_id) as account_id,
    min(region) as region,
    format('{}.{} {} ({:d})', table_name, column_name, value, sum(row_count)::bigint) as what
from sent
anti join known_values using (table_name, column_name, value)
where value is not null
group by table_name, column_name, value
order by what
