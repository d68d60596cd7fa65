-- A failure in a region belongs to an AMI that its build does not list.
-- severity: error
select
    f.account_id,
    f.region,
    format('{} lists no AMI {:d}', f.image_arn, f.ami_position) as what
from image_region_failures as f
left join image_amis as a
    on
        a.account_id = f.account_id
        and a.region = f.region
        and a.image_arn = f.image_arn
        and a.position = f.ami_position
where f.ami_position is not null and a.position is null
group by all
