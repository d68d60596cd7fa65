-- The builds as the lake knew them on a day: of every target those of its newest complete capture
-- filed under that UTC day or an earlier one, whole before filtered, as current_builds does for now.
-- parameters: as_of (an instant, a date, or text of either, UTC where it names no zone)
-- grain: one row a build (account_id, region, arn)
-- asks: Which builds were there on a day?
-- example: select name, semantic_version, build_number, state_status from builds_as_of('2026-11-20') order by all
with captures as (
    select
        account_id,
        region,
        snapshot_date,
        run_id
    from target_captures
    where
        snapshot_date <= case
            when regexp_full_match(as_of::varchar, '[-0-9]+([ T][0-9:.]+)?')
                then as_of::varchar::timestamp::date
            else (as_of::varchar::timestamptz at time zone 'UTC')::date
        end
    qualify row_number() over (
        partition by account_id, region
        order by coverage = 'whole' desc, snapshot_date desc
    ) = 1
),

    -- one list, unnested: DuckDB 2.0 then takes the captures for few, and reads their files alone
few as (
    select
        unnest(
            list({
                'account_id': account_id,
                'region': region,
                'snapshot_date': snapshot_date,
                'run_id': run_id
            }),
            recursive := true
        )
    from captures
)

select image_builds.*
from few
join image_builds using (snapshot_date, run_id, account_id, region)
