-- The AVAILABLE builds by when they are to be deprecated: overdue, this month and the five after it,
-- and later, with and without a newer build to take their place.
with months as (
    select
        place,
        strftime(date_trunc('month', current_date) + to_months(place::integer), '%b %Y') as label
    from range(6) as t (place)
    union all
    values (-1, 'past'), (6, 'later')
),
due as (
    select
        case
            when due = 'overdue' then -1
            else least(
                6,
                date_diff('month', current_date, (deprecation_time at time zone 'UTC')::date)
            )
        end as place,
        has_successor
    from deprecations
)
select
    m.label,
    s.series,
    count(d.place) as count
from months as m
cross join (values (false, 'no successor'), (true, 'has a newer build')) as s (has_successor, series)
left join due as d on d.place = m.place and d.has_successor = s.has_successor
group by m.place, m.label, s.series
order by m.place, s.series desc
