-- The builds that failed, with the step, the component and the words of the failure side by side.
-- grain: one row a failed build (account_id, region, arn)
-- asks: At which steps do builds fail?
-- example: select failure_step, failure_component_step, count(*) as builds from failed_builds group by all order by builds desc
-- column failed_region_count: Regions and accounts that the distribution failed in, of the build and its AMIs.
-- column error_message: What failed in words: the component's, else the distribution's, else the state's reason.
with region_failures as (
    select
        account_id,
        region,
        image_arn,
        count(*) as failed_region_count
    from current_region_failures
    group by all
)
select
    b.snapshot_date,
    b.account_id,
    b.region,
    b.captured_at,
    b.arn,
    b.name,
    b.type,
    b.platform,
    b.image_owner_account,
    b.image_slug,
    b.semantic_version,
    b.build_number,
    b.build_type,
    b.created_at,
    b.failure_image_status,
    b.failure_step,
    b.failure_component_arn,
    b.failure_component_phase,
    b.failure_component_step,
    b.failure_component_action,
    coalesce(f.failed_region_count, 0) as failed_region_count,
    coalesce(
        b.failure_component_message,
        b.failure_distribution_message,
        b.state_reason
    ) as error_message,
    b.log_group_name
from current_builds as b
left join region_failures as f
    on f.account_id = b.account_id and f.region = b.region and f.image_arn = b.arn
where b.state_status = 'FAILED'
