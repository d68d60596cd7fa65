-- What differs between two days: the builds that were added, removed or changed, and of a changed one
-- each column with what it was and what it is. Of every target its newest whole capture of each day or
-- before it is compared; a target that was not read whole by the first day is left out.
-- parameters: from_date (a date, an instant, or text of either, UTC where it names no zone); to_date (likewise)
-- grain: one row an added or removed build, or a column of a changed one (account_id, region, arn, column_name)
-- asks: What changed between two days, and in which columns?
-- example: select change, name, semantic_version, column_name, from_value, to_value from snapshot_diff('2026-11-19', '2026-11-20') order by all
-- column from_date: The date of the capture that it is compared with.
-- column to_date: The date of the capture that is compared.
-- column change: added, removed or changed.
-- column column_name: The column that changed; NULL where the build was added or removed.
-- column from_value: What it was, as text; tags as JSON.
-- column to_value: What it is, likewise.
with days as (
    select
        case
            when regexp_full_match(from_date::varchar, '[-0-9]+([ T][0-9:.]+)?')
                then from_date::varchar::timestamp::date
            else (from_date::varchar::timestamptz at time zone 'UTC')::date
        end as first_day,
        case
            when regexp_full_match(to_date::varchar, '[-0-9]+([ T][0-9:.]+)?')
                then to_date::varchar::timestamp::date
            else (to_date::varchar::timestamptz at time zone 'UTC')::date
        end as last_day
),

captures as (
    select
        account_id,
        region,
        max(snapshot_date) filter (where snapshot_date <= first_day) as from_date,
        arg_max(run_id, snapshot_date) filter (where snapshot_date <= first_day) as from_run_id,
        max(snapshot_date) filter (where snapshot_date <= last_day) as to_date,
        arg_max(run_id, snapshot_date) filter (where snapshot_date <= last_day) as to_run_id
    from target_captures
    cross join days
    where coverage = 'whole'
    group by account_id, region
),

sought as (
    -- The builds to compare: near days, those that differ between two captures in between;
    -- days that are far apart, all ('' stands for them), which takes half as long over half a year.
    select distinct
        c.account_id,
        c.region,
        c.from_date,
        c.from_run_id,
        c.to_date,
        c.to_run_id,
        d.arn
    from captures as c
    join capture_differences as d
        on
            d.account_id = c.account_id
            and d.region = c.region
            and d.snapshot_date > least(c.from_date, c.to_date)
            and d.snapshot_date <= greatest(c.from_date, c.to_date)
    where
        c.from_run_id <> c.to_run_id
        and not abs(left(from_date::varchar, 10)::date - left(to_date::varchar, 10)::date) > 60
        -- Constants prune the files; a day more on each side, whatever the zones of the instants.
        and d.snapshot_date
        between least(left(from_date::varchar, 10)::date, left(to_date::varchar, 10)::date) - 1
        and greatest(left(from_date::varchar, 10)::date, left(to_date::varchar, 10)::date) + 1
    union all
    select
        account_id,
        region,
        c.from_date,
        from_run_id,
        c.to_date,
        to_run_id,
        '' as arn
    from captures as c
    where
        from_run_id <> to_run_id
        and abs(left(from_date::varchar, 10)::date - left(to_date::varchar, 10)::date) > 60
),

before as (
    -- Each side is read by itself: DuckDB 1.x prunes no files for a union of the two dates.
    select b.*
    from sought as s
    join image_builds as b
        on
            b.account_id = s.account_id
            and b.region = s.region
            and b.snapshot_date = s.from_date
            and b.run_id = s.from_run_id
            and case
                when abs(left(from_date::varchar, 10)::date - left(to_date::varchar, 10)::date) > 60 then left(b.arn, 0)
                else b.arn
            end = s.arn
),

after as (
    select b.*
    from sought as s
    join image_builds as b
        on
            b.account_id = s.account_id
            and b.region = s.region
            and b.snapshot_date = s.to_date
            and b.run_id = s.to_run_id
            and case
                when abs(left(from_date::varchar, 10)::date - left(to_date::varchar, 10)::date) > 60 then left(b.arn, 0)
                else b.arn
            end = s.arn
),

compared as (
    select
        coalesce(a.account_id, b.account_id) as account_id,
        coalesce(a.region, b.region) as region,
        coalesce(a.arn, b.arn) as arn,
        case when b.arn is null then a.name else b.name end as name,
        case when b.arn is null then a.image_slug else b.image_slug end as image_slug,
        case when b.arn is null then a.semantic_version else b.semantic_version end as semantic_version,
        case when b.arn is null then a.build_number else b.build_number end as build_number,
        case when b.arn is null then a.state_status else b.state_status end as state_status,
        case
            when a.arn is null then 'added'
            when b.arn is null then 'removed'
            else 'changed'
        end as change,
        -- The columns that differ, and as text no others: all of them took twice as long.
        case
            when change <> 'changed' then [{name: null, was: null, is_now: null}]
            else [
                case when a.name is distinct from b.name then {name: 'name', was: a.name, is_now: b.name} end,
                case when a.type is distinct from b.type then {name: 'type', was: a.type, is_now: b.type} end,
                case when a.version is distinct from b.version then
                    {name: 'version', was: a.version, is_now: b.version} end,
                case when a.platform is distinct from b.platform then
                    {name: 'platform', was: a.platform, is_now: b.platform} end,
                case when a.os_version is distinct from b.os_version then
                    {name: 'os_version', was: a.os_version, is_now: b.os_version} end,
                case when a.state_status is distinct from b.state_status then
                    {name: 'state_status', was: a.state_status, is_now: b.state_status} end,
                case when a.state_reason is distinct from b.state_reason then
                    {name: 'state_reason', was: a.state_reason, is_now: b.state_reason} end,
                case when a.owner is distinct from b.owner then {name: 'owner', was: a.owner, is_now: b.owner} end,
                case when a.ownership is distinct from b.ownership then
                    {name: 'ownership', was: a.ownership, is_now: b.ownership} end,
                case when a.date_created is distinct from b.date_created then
                    {name: 'date_created', was: a.date_created, is_now: b.date_created} end,
                case when a.created_at is distinct from b.created_at then
                    {name: 'created_at', was: (a.created_at at time zone 'UTC')::varchar || '+00',
                    is_now: (b.created_at at time zone 'UTC')::varchar || '+00'} end,
                case when a.build_type is distinct from b.build_type then
                    {name: 'build_type', was: a.build_type, is_now: b.build_type} end,
                case when a.image_source is distinct from b.image_source then
                    {name: 'image_source', was: a.image_source, is_now: b.image_source} end,
                case when a.deprecation_time is distinct from b.deprecation_time then
                    {name: 'deprecation_time', was: (a.deprecation_time at time zone 'UTC')::varchar || '+00',
                    is_now: (b.deprecation_time at time zone 'UTC')::varchar || '+00'} end,
                case when a.lifecycle_execution_id is distinct from b.lifecycle_execution_id then
                    {name: 'lifecycle_execution_id', was: a.lifecycle_execution_id,
                    is_now: b.lifecycle_execution_id} end,
                case when a.log_group_name is distinct from b.log_group_name then
                    {name: 'log_group_name', was: a.log_group_name, is_now: b.log_group_name} end,
                case when a.tags is distinct from b.tags then
                    {name: 'tags', was: to_json(map_from_entries(list_sort(map_entries(a.tags))))::varchar,
                    is_now: to_json(map_from_entries(list_sort(map_entries(b.tags))))::varchar} end,
                case when a.failure_image_status is distinct from b.failure_image_status then
                    {name: 'failure_image_status', was: a.failure_image_status, is_now: b.failure_image_status} end,
                case when a.failure_workflow_execution_id is distinct from b.failure_workflow_execution_id then
                    {name: 'failure_workflow_execution_id', was: a.failure_workflow_execution_id,
                    is_now: b.failure_workflow_execution_id} end,
                case when a.failure_workflow_arn is distinct from b.failure_workflow_arn then
                    {name: 'failure_workflow_arn', was: a.failure_workflow_arn, is_now: b.failure_workflow_arn} end,
                case when a.failure_step_execution_id is distinct from b.failure_step_execution_id then
                    {name: 'failure_step_execution_id', was: a.failure_step_execution_id,
                    is_now: b.failure_step_execution_id} end,
                case when a.failure_step is distinct from b.failure_step then
                    {name: 'failure_step', was: a.failure_step, is_now: b.failure_step} end,
                case when a.failure_component_arn is distinct from b.failure_component_arn then
                    {name: 'failure_component_arn', was: a.failure_component_arn,
                    is_now: b.failure_component_arn} end,
                case when a.failure_component_phase is distinct from b.failure_component_phase then
                    {name: 'failure_component_phase', was: a.failure_component_phase,
                    is_now: b.failure_component_phase} end,
                case when a.failure_component_step is distinct from b.failure_component_step then
                    {name: 'failure_component_step', was: a.failure_component_step,
                    is_now: b.failure_component_step} end,
                case when a.failure_component_action is distinct from b.failure_component_action then
                    {name: 'failure_component_action', was: a.failure_component_action,
                    is_now: b.failure_component_action} end,
                case when a.failure_component_message is distinct from b.failure_component_message then
                    {name: 'failure_component_message', was: a.failure_component_message,
                    is_now: b.failure_component_message} end,
                case when a.failure_distribution_message is distinct from b.failure_distribution_message then
                    {name: 'failure_distribution_message', was: a.failure_distribution_message,
                    is_now: b.failure_distribution_message} end,
                case when a.image_owner_account is distinct from b.image_owner_account then
                    {name: 'image_owner_account', was: a.image_owner_account, is_now: b.image_owner_account} end,
                case when a.image_region is distinct from b.image_region then
                    {name: 'image_region', was: a.image_region, is_now: b.image_region} end,
                case when a.image_slug is distinct from b.image_slug then
                    {name: 'image_slug', was: a.image_slug, is_now: b.image_slug} end,
                case when a.semantic_version is distinct from b.semantic_version then
                    {name: 'semantic_version', was: a.semantic_version, is_now: b.semantic_version} end,
                case when a.version_major is distinct from b.version_major then
                    {name: 'version_major', was: a.version_major::varchar, is_now: b.version_major::varchar} end,
                case when a.version_minor is distinct from b.version_minor then
                    {name: 'version_minor', was: a.version_minor::varchar, is_now: b.version_minor::varchar} end,
                case when a.version_patch is distinct from b.version_patch then
                    {name: 'version_patch', was: a.version_patch::varchar, is_now: b.version_patch::varchar} end,
                case when a.build_number is distinct from b.build_number then
                    {name: 'build_number', was: a.build_number::varchar, is_now: b.build_number::varchar} end,
                case when a.extra is distinct from b.extra then {name: 'extra', was: a.extra, is_now: b.extra} end
            ]
        end as cells
    from before as a
    full join after as b
        on b.account_id = a.account_id and b.region = a.region and b.arn = a.arn
),

differing as (
    select
        * exclude (cells),
        unnest(
            case
                when change <> 'changed' then cells
                -- Tags in another order are another map, and the same text.
                else list_filter(cells, lambda cell: cell.was is distinct from cell.is_now)
            end
        ) as cell
    from compared
)

select
    c.from_date,
    c.to_date,
    d.* exclude (cell),
    d.cell.name as column_name,
    d.cell.was as from_value,
    d.cell.is_now as to_value
from differing as d
join captures as c
    on c.account_id = d.account_id and c.region = d.region
