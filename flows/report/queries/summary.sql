-- The newest snapshot, and how much it shows.
with newest as (
    select *
    from snapshots
    order by snapshot_date desc
    limit 1
)
select
    n.snapshot_date,
    n.run_id,
    n.committed_at,
    n.warnings,
    coalesce(json_extract_string(n.parameters, '$.demo') = 'true', false) as is_demo,
    (select count(*) from snapshots) as snapshots,
    (select max(s.snapshot_date) from snapshots as s where s.snapshot_date < n.snapshot_date) as previous_date,
    (select count(*) from current_builds) as builds,
    (select count(*) from current_builds where coalesce(ownership, 'Self') = 'Self') as own_builds,
    (select count(*) from current_builds where state_status = 'FAILED') as failed_builds,
    (select count(*) from image_age) as images,
    (select count(*) from image_age where golden_arn is not null) as golden_images,
    (select count(*) from current_amis) as amis,
    (select count(*) from current_containers) as containers
from newest as n
