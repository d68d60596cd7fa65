-- How many AVAILABLE builds are overdue or due for deprecation.
select
    count(*) as dated,
    count(*) filter (where due = 'overdue') as overdue,
    count(*) filter (where due = 'overdue' and not has_successor) as overdue_alone,
    count(*) filter (where due = '30 days') as due_soon,
    count(*) filter (where due = '30 days' and not has_successor) as due_soon_alone
from deprecations
