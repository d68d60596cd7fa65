-- How many images are old, or have no golden build.
select
    count(*) as images,
    count(*) filter (where golden_arn is null) as without_golden,
    count(*) filter (where succeeded_count = 0) as never_succeeded,
    count(*) filter (where age_days > 90) as old,
    quantile_disc(age_days, 0.5) as median_days
from image_age
