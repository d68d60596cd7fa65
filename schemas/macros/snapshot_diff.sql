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
    select distinct
        c.*,
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
        -- Constants prune the files; a day more on each side, whatever the zones of the instants.
        and d.snapshot_date
        between least(left(from_date::varchar, 10)::date, left(to_date::varchar, 10)::date) - 1
        and greatest(left(from_date::varchar, 10)::date, left(to_date::varchar, 10)::date) + 1
),

before as (
    -- Each side is read by itself: DuckDB 1.x prunes no files for a union of the two dates.
    select
        b.account_id,
        b.region,
        b.arn,
        b.name,
        b.image_slug,
        b.semantic_version,
        b.build_number,
        b.state_status,
        [
            b.name, b.type, b.version, b.platform, b.os_version, b.state_status, b.state_reason,
            b.owner, b.ownership, b.date_created,
            (b.created_at at time zone 'UTC')::varchar || '+00', b.build_type, b.image_source,
            (b.deprecation_time at time zone 'UTC')::varchar || '+00', b.lifecycle_execution_id,
            b.log_group_name, to_json(map_from_entries(list_sort(map_entries(b.tags))))::varchar,
            b.failure_image_status, b.failure_workflow_execution_id, b.failure_workflow_arn,
            b.failure_step_execution_id, b.failure_step, b.failure_component_arn,
            b.failure_component_phase, b.failure_component_step, b.failure_component_action,
            b.failure_component_message, b.failure_distribution_message, b.image_owner_account,
            b.image_region, b.image_slug, b.semantic_version, b.version_major::varchar,
            b.version_minor::varchar, b.version_patch::varchar, b.build_number::varchar, b.extra
        ] as cells
    from sought as s
    join image_builds as b
        on
            b.account_id = s.account_id
            and b.region = s.region
            and b.snapshot_date = s.from_date
            and b.run_id = s.from_run_id
            and b.arn = s.arn
),

after as (
    select
        b.account_id,
        b.region,
        b.arn,
        b.name,
        b.image_slug,
        b.semantic_version,
        b.build_number,
        b.state_status,
        [
            b.name, b.type, b.version, b.platform, b.os_version, b.state_status, b.state_reason,
            b.owner, b.ownership, b.date_created,
            (b.created_at at time zone 'UTC')::varchar || '+00', b.build_type, b.image_source,
            (b.deprecation_time at time zone 'UTC')::varchar || '+00', b.lifecycle_execution_id,
            b.log_group_name, to_json(map_from_entries(list_sort(map_entries(b.tags))))::varchar,
            b.failure_image_status, b.failure_workflow_execution_id, b.failure_workflow_arn,
            b.failure_step_execution_id, b.failure_step, b.failure_component_arn,
            b.failure_component_phase, b.failure_component_step, b.failure_component_action,
            b.failure_component_message, b.failure_distribution_message, b.image_owner_account,
            b.image_region, b.image_slug, b.semantic_version, b.version_major::varchar,
            b.version_minor::varchar, b.version_patch::varchar, b.build_number::varchar, b.extra
        ] as cells
    from sought as s
    join image_builds as b
        on
            b.account_id = s.account_id
            and b.region = s.region
            and b.snapshot_date = s.to_date
            and b.run_id = s.to_run_id
            and b.arn = s.arn
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
        case
            when a.arn is null or b.arn is null then [0]
            else list_filter(
                range(1, len(a.cells) + 1),
                lambda place: a.cells[place] is distinct from b.cells[place]
            )
        end as places,
        a.cells as from_cells,
        b.cells as to_cells
    from before as a
    full join after as b
        on b.account_id = a.account_id and b.region = a.region and b.arn = a.arn
    where a.cells is distinct from b.cells
),

differing as (
    select *, unnest(places) as place
    from compared
)

select
    c.from_date,
    c.to_date,
    d.* exclude (places, place, from_cells, to_cells),
    [
        'name', 'type', 'version', 'platform', 'os_version', 'state_status', 'state_reason',
        'owner', 'ownership', 'date_created', 'created_at', 'build_type', 'image_source',
        'deprecation_time', 'lifecycle_execution_id', 'log_group_name', 'tags',
        'failure_image_status', 'failure_workflow_execution_id', 'failure_workflow_arn',
        'failure_step_execution_id', 'failure_step', 'failure_component_arn',
        'failure_component_phase', 'failure_component_step', 'failure_component_action',
        'failure_component_message', 'failure_distribution_message', 'image_owner_account',
        'image_region', 'image_slug', 'semantic_version', 'version_major', 'version_minor',
        'version_patch', 'build_number', 'extra'
    ][d.place] as column_name,
    case when d.place > 0 then d.from_cells[d.place] end as from_value,
    case when d.place > 0 then d.to_cells[d.place] end as to_value
from differing as d
join captures as c
    on c.account_id = d.account_id and c.region = d.region
