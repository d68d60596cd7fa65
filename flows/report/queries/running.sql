-- The builds that are under way.
select count(*) as builds
from current_builds
where state_status in ('PENDING', 'CREATING', 'BUILDING', 'TESTING', 'DISTRIBUTING', 'INTEGRATING')
