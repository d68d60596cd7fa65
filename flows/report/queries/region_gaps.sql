-- How many images' newest build misses a place that the builds before it reached.
select
    count(distinct (account_id, region, image_owner_account, image_slug)) as images,
    count(distinct (account_id, region, image_owner_account, image_slug)) filter (
        where is_missing_in_newest
    ) as incomplete,
    count(distinct ami_region) as regions
from ami_region_coverage
