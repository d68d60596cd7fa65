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
        if(
            regexp_full_match(from_date::varchar, '[-0-9]+([ T][0-9:.]+)?'),
            from_date::varchar::timestamp::date,
            (from_date::varchar::timestamptz at time zone 'UTC')::date
        ) as first_day,
        if(
            regexp_full_match(to_date::varchar, '[-0-9]+([ T][0-9:.]+)?'),
            to_date::varchar::timestamp::date,
            (to_date::varchar::timestamptz at time zone 'UTC')::date
        ) as last_day
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
    where c.from_run_id <> c.to_run_id
),

before as (
    select b.*
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
    select b.*
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
        coalesce(b.name, a.name) as name,
        coalesce(b.image_slug, a.image_slug) as image_slug,
        coalesce(b.semantic_version, a.semantic_version) as semantic_version,
        coalesce(b.build_number, a.build_number) as build_number,
        coalesce(b.state_status, a.state_status) as state_status,
        case
            when a.arn is null then 'added'
            when b.arn is null then 'removed'
            else 'changed'
        end as change,
        if(a.arn is null or b.arn is null, [{
            'column_name': null::varchar, 'from_value': null::varchar, 'to_value': null::varchar
        }], list_filter([
            {'column_name': 'name', 'from_value': a.name, 'to_value': b.name},
            {'column_name': 'type', 'from_value': a.type, 'to_value': b.type},
            {'column_name': 'version', 'from_value': a.version, 'to_value': b.version},
            {'column_name': 'platform', 'from_value': a.platform, 'to_value': b.platform},
            {'column_name': 'os_version', 'from_value': a.os_version, 'to_value': b.os_version},
            {
                'column_name': 'state_status',
                'from_value': a.state_status,
                'to_value': b.state_status
            },
            {
                'column_name': 'state_reason',
                'from_value': a.state_reason,
                'to_value': b.state_reason
            },
            {'column_name': 'owner', 'from_value': a.owner, 'to_value': b.owner},
            {'column_name': 'ownership', 'from_value': a.ownership, 'to_value': b.ownership},
            {
                'column_name': 'date_created',
                'from_value': a.date_created,
                'to_value': b.date_created
            },
            {
                'column_name': 'created_at',
                'from_value': (a.created_at at time zone 'UTC')::varchar || '+00',
                'to_value': (b.created_at at time zone 'UTC')::varchar || '+00'
            },
            {'column_name': 'build_type', 'from_value': a.build_type, 'to_value': b.build_type},
            {
                'column_name': 'image_source',
                'from_value': a.image_source,
                'to_value': b.image_source
            },
            {
                'column_name': 'deprecation_time',
                'from_value': (a.deprecation_time at time zone 'UTC')::varchar || '+00',
                'to_value': (b.deprecation_time at time zone 'UTC')::varchar || '+00'
            },
            {
                'column_name': 'lifecycle_execution_id',
                'from_value': a.lifecycle_execution_id,
                'to_value': b.lifecycle_execution_id
            },
            {
                'column_name': 'log_group_name',
                'from_value': a.log_group_name,
                'to_value': b.log_group_name
            },
            {
                'column_name': 'tags',
                'from_value': to_json(map_from_entries(list_sort(map_entries(a.tags))))::varchar,
                'to_value': to_json(map_from_entries(list_sort(map_entries(b.tags))))::varchar
            },
            {
                'column_name': 'failure_image_status',
                'from_value': a.failure_image_status,
                'to_value': b.failure_image_status
            },
            {
                'column_name': 'failure_workflow_execution_id',
                'from_value': a.failure_workflow_execution_id,
                'to_value': b.failure_workflow_execution_id
            },
            {
                'column_name': 'failure_workflow_arn',
                'from_value': a.failure_workflow_arn,
                'to_value': b.failure_workflow_arn
            },
            {
                'column_name': 'failure_step_execution_id',
                'from_value': a.failure_step_execution_id,
                'to_value': b.failure_step_execution_id
            },
            {
                'column_name': 'failure_step',
                'from_value': a.failure_step,
                'to_value': b.failure_step
            },
            {
                'column_name': 'failure_component_arn',
                'from_value': a.failure_component_arn,
                'to_value': b.failure_component_arn
            },
            {
                'column_name': 'failure_component_phase',
                'from_value': a.failure_component_phase,
                'to_value': b.failure_component_phase
            },
            {
                'column_name': 'failure_component_step',
                'from_value': a.failure_component_step,
                'to_value': b.failure_component_step
            },
            {
                'column_name': 'failure_component_action',
                'from_value': a.failure_component_action,
                'to_value': b.failure_component_action
            },
            {
                'column_name': 'failure_component_message',
                'from_value': a.failure_component_message,
                'to_value': b.failure_component_message
            },
            {
                'column_name': 'failure_distribution_message',
                'from_value': a.failure_distribution_message,
                'to_value': b.failure_distribution_message
            },
            {
                'column_name': 'image_owner_account',
                'from_value': a.image_owner_account,
                'to_value': b.image_owner_account
            },
            {
                'column_name': 'image_region',
                'from_value': a.image_region,
                'to_value': b.image_region
            },
            {'column_name': 'image_slug', 'from_value': a.image_slug, 'to_value': b.image_slug},
            {
                'column_name': 'semantic_version',
                'from_value': a.semantic_version,
                'to_value': b.semantic_version
            },
            {
                'column_name': 'version_major',
                'from_value': a.version_major::varchar,
                'to_value': b.version_major::varchar
            },
            {
                'column_name': 'version_minor',
                'from_value': a.version_minor::varchar,
                'to_value': b.version_minor::varchar
            },
            {
                'column_name': 'version_patch',
                'from_value': a.version_patch::varchar,
                'to_value': b.version_patch::varchar
            },
            {
                'column_name': 'build_number',
                'from_value': a.build_number::varchar,
                'to_value': b.build_number::varchar
            },
            {'column_name': 'extra', 'from_value': a.extra, 'to_value': b.extra}
        ], lambda cell: cell.from_value is distinct from cell.to_value)) as cells
    from before as a
    full join after as b
        on b.account_id = a.account_id and b.region = a.region and b.arn = a.arn
)

select
    c.from_date,
    c.to_date,
    f.* exclude (cells),
    unnest(f.cells, recursive := true)
from compared as f
join captures as c
    on c.account_id = f.account_id and c.region = f.region
