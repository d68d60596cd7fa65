-- The same, build by build: what may be trouble first.
-- more: from build_state_changes where snapshot_date = (select max(snapshot_date) from snapshots) and from_date is not null
select
    name,
    semantic_version || '/' || build_number as version,
    account_id,
    region,
    change,
    case change
        when 'first_seen' then '(new)'
        when 'reappeared' then '(gone)'
        else coalesce(from_status, '(no state)')
    end as was,
    if(change = 'disappeared', '(gone)', coalesce(to_status, '(no state)')) as is_now,
    from_date,
    state_reason
from build_state_changes
where
    snapshot_date = (select max(snapshot_date) from snapshots)
    and from_date is not null
order by
    to_status is not distinct from 'FAILED' desc,
    list_position(['disappeared', 'reappeared', 'changed', 'first_seen'], change),
    name,
    arn
limit 16
