-- The images by the age of their golden build.
with bands as (
    select
        case
            when golden_arn is null then 6
            when age_days is null then 7
            when age_days <= 7 then 0
            when age_days <= 30 then 1
            when age_days <= 60 then 2
            when age_days <= 90 then 3
            when age_days <= 180 then 4
            else 5
        end as place
    from image_age
)
select
    labels.label,
    count(bands.place) as count
from (
    values
    (0, '0–7'),
    (1, '8–30'),
    (2, '31–60'),
    (3, '61–90'),
    (4, '91–180'),
    (5, 'over 180'),
    (6, 'no golden'),
    (7, 'not known')
) as labels (place, label)
left join bands on bands.place = labels.place
group by labels.place, labels.label
having count(bands.place) > 0 or labels.place < 7
order by labels.place
