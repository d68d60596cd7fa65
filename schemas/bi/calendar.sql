-- The days, one after the other, for charts that show those on which nothing happened too: from the
-- day on which EC2 Image Builder began, or the first snapshot's where that is earlier, to the end of the
-- year after the newest snapshot's.
-- grain: one row a UTC day (calendar_date)
-- asks: On which days was no snapshot taken?
-- example: select calendar_date from bi.calendar where not is_snapshot_date and calendar_date between (select min(snapshot_date) from bi.snapshots) and (select max(snapshot_date) from bi.snapshots) order by calendar_date
-- column calendar_date: The day: snapshot_date, created_date and the other dates of the views join to it.
-- column year: The year.
-- column quarter: The quarter of the year, from 1 to 4.
-- column month: The month of the year, from 1 to 12.
-- column day: The day of the month.
-- column iso_year: The year that the ISO week belongs to.
-- column iso_week: The ISO week of the year, from 1 to 53.
-- column weekday: The day of the week, from 1 (Monday) to 7.
-- column weekday_name: The day of the week in English.
-- column month_name: The month in English.
-- column year_month: The year and month as text that sorts, such as 2026-11.
-- column week_start: The Monday of its week.
-- column month_start: The first day of its month.
-- column quarter_start: The first day of its quarter.
-- column year_start: The first day of its year.
-- column is_weekend: True on Saturdays and Sundays.
-- column is_snapshot_date: True where the lake shows a snapshot of the day.
-- measure days = count(*): days
with days as (
    select unnest(
        generate_series(
            least(date '2019-12-01', min(snapshot_date))::timestamp,
            make_timestamp(max(year(snapshot_date)) + 1, 12, 31, 0, 0, 0),
            interval 1 day
        )
    )::date as calendar_date
    from main.visible_runs
)

select
    d.calendar_date,
    year(d.calendar_date) as year,
    quarter(d.calendar_date) as quarter,
    month(d.calendar_date) as month,
    day(d.calendar_date) as day,
    isoyear(d.calendar_date) as iso_year,
    weekofyear(d.calendar_date) as iso_week,
    isodow(d.calendar_date) as weekday,
    dayname(d.calendar_date) as weekday_name,
    monthname(d.calendar_date) as month_name,
    strftime(d.calendar_date, '%Y-%m') as year_month,
    date_trunc('week', d.calendar_date)::date as week_start,
    date_trunc('month', d.calendar_date)::date as month_start,
    date_trunc('quarter', d.calendar_date)::date as quarter_start,
    date_trunc('year', d.calendar_date)::date as year_start,
    isodow(d.calendar_date) >= 6 as is_weekend,
    r.snapshot_date is not null as is_snapshot_date
from days as d
left join main.visible_runs as r on r.snapshot_date = d.calendar_date
