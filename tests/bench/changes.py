"""`python -m tests.bench.changes`: what a year of history answers, and what it takes on the disk.

Builds a lake of 365 dates of 100,000 builds each, of which about one in a hundred differs from a date
to the next (or one of `--dates` and `--builds`, kept in `--folder` and used again where it is there),
then asks DuckDB 1.5.5 and 2.0.0 for state changes, intervals, days and diffs: by the views, and by
the window functions over all snapshots that say the same.
"""

from __future__ import annotations

import random
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import pyarrow as pa

from lake.folder import Folder
from lake.location import open_folder
from lake.records import commits
from lake.run import CHANGES
from lake.storage import LakeSettings
from lake.warehouse import publish
from schemas.tables import TABLES
from tests.bench.lakes import (
    TARGETS,
    VERSIONS,
    amis_of,
    build_row,
    clean_up,
    measured,
    rows_of,
    say,
    write_date,
)

LAST_DATE: Final = date(2026, 11, 20)
STATES: Final = ("AVAILABLE", "FAILED", "DEPRECATED", "BUILDING", "CANCELLED")
NEW: Final = 0.002
"""Of a date's builds, those that come on it; as many go, the oldest."""
STATE_CHANGED: Final = 0.006
"""Those whose state is drawn anew."""
ACTED_ON: Final = 0.001
"""Those that a lifecycle policy acts on."""
MOST: Final = {
    "current": 200.0,
    "golden": 200.0,
    "state changes": 1000.0,
    "intervals": 1000.0,
    "as of": 500.0,
    "diff": 500.0,
}
"""Milliseconds that an answer may take on two cores, by how its question's name begins."""


def main(dates: int, builds: int, folder: Path | None, rounds: int, *, with_windows: bool) -> None:
    """Prints the median milliseconds of each question on each version, and the bytes a build a day."""
    with TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        lake = built(root, dates, builds)
        warehouse = root / f"changes-{dates}-{builds}.duckdb"
        publish(lake, warehouse)
        for name, size in _sizes(lake).items():
            say(f"  {name:40} {size / dates / builds:8.2f} bytes a build a day")
        views, windows = _views(dates), _windows(dates)
        for version in VERSIONS:
            say(f"DuckDB {version}, ms (median of {rounds} when warm; windows once)")
            medians = measured(version, warehouse, views, rounds)
            if with_windows:
                medians = measured(version, warehouse, views | windows, 1) | medians
            for name, spent in medians.items():
                most = next(
                    (f" (at most {m:.0f})" for q, m in MOST.items() if name.startswith(q)), ""
                )
                say(f"  {name:40} {spent:8.1f}{'' if name in windows else most}")


def built(root: Path, dates: int, builds: int) -> Folder:
    """The lake in the folder, built or completed where it is not yet."""
    lake = open_folder(str(root / f"lake-{dates}-{builds}"), LakeSettings(visibility_seconds=0))
    _build(lake, dates, builds)
    return lake


def _build(lake: Folder, dates: int, builds: int) -> None:
    """Commits what is missing; nothing waits for a commit to take effect, nor for the disk."""
    there = {record.snapshot_date for record in commits(lake)}
    if there >= {_day(number, dates) for number in range(dates)}:
        return
    started = time.monotonic()
    written = 0
    with patch("lake.folder.sync", lambda _: None):
        for number, rows in enumerate(_captures(dates, builds)):
            day = _day(number, dates)
            if day in there:
                continue
            write_date(lake, day, rows, amis_of(rows))
            written += 1
            if written % 30 == 0 or number == dates - 1:
                clean_up(lake)
                say(f"{number + 1} of {dates} dates in {time.monotonic() - started:.0f} s")


def _captures(dates: int, builds: int) -> Iterator[pa.Table]:
    """What each date lists, in the order of the targets."""
    dice = random.Random(7)  # noqa: S311 - a fleet, no secret
    new = max(1, round(builds * NEW))
    total = builds + new * dates
    every = rows_of("image_builds", [build_row(number, number) for number in range(total)])
    states = every["state_status"].to_pylist()
    executions: list[str | None] = [None] * total
    for number in range(dates):
        listed = range(number * new, number * new + builds)
        for build in dice.sample(listed, round(builds * STATE_CHANGED)):
            states[build] = dice.choice(STATES)
        for build in dice.sample(listed, round(builds * ACTED_ON)):
            executions[build] = f"lce-{number}"
        rows = _with(_with(every, "state_status", states), "lifecycle_execution_id", executions)
        order = sorted(listed, key=lambda build: build % len(TARGETS))
        yield rows.take(pa.array(order))


def _with(rows: pa.Table, column: str, values: list[str | None]) -> pa.Table:
    place = rows.schema.get_field_index(column)
    field = rows.schema.field(place)
    return rows.set_column(place, field, pa.array(values, field.type))


def _day(number: int, dates: int) -> date:
    return LAST_DATE - timedelta(days=dates - 1 - number)


def _sizes(lake: Folder) -> dict[str, int]:
    """Bytes by table, and of what changed."""
    return {name: sum(file.size_bytes for file in lake.files(name)) for name in (*TABLES, CHANGES)}


def _views(dates: int) -> dict[str, str]:
    """By name, the questions as a user asks them."""
    last, week_before = LAST_DATE, _day(max(0, dates - 8), dates)
    half = _day(dates // 2, dates)
    change = "from_status, to_status, count(*) as builds"
    return {
        "current: count by state": "select state_status, count(*) from current_builds group by all "
        "order by all",
        "golden AMIs": "select ami_region, count(*) from golden_amis group by all order by all",
        "golden images": "select count(*) from golden_images",
        "state changes, all: views": f"select {change} from build_state_changes "  # noqa: S608 - our own words
        "where change = 'changed' group by all order by all",
        "state changes, a day: views": f"select {change} from build_state_changes "  # noqa: S608 - our own words
        f"where change = 'changed' and snapshot_date = '{week_before}' group by all order by all",
        "intervals, all: views": "select state_status, count(*) from build_history "
        "group by all order by all",
        "intervals of an image: views": "select arn, state_status, valid_from from build_history "
        "where image_slug = 'golden-image-77' order by all",
        "as of, builds: views": f"select state_status, count(*) from builds_as_of('{half}') "  # noqa: S608 - our own words
        "group by all order by all",
        "as of, AMIs": f"select count(*) from amis_as_of('{half}')",  # noqa: S608 - our own words
        "diff of a week: views": "select change, count(distinct arn) "  # noqa: S608 - our own words
        f"from snapshot_diff('{week_before}', '{last}') group by all order by all",
        "diff of half the time: views": "select change, count(distinct arn) "  # noqa: S608 - our own words
        f"from snapshot_diff('{half}', '{last}') group by all order by all",
    }


def _windows(dates: int) -> dict[str, str]:
    """The same from the snapshots themselves.

    They need to know less: here every target was read on every date, and but two columns change.
    """
    week_before, half = _day(max(0, dates - 8), dates), _day(dates // 2, dates)
    before = (
        "select snapshot_date, arn, image_slug, state_status, lag(state_status) over w as before, "
        "lifecycle_execution_id is distinct from lag(lifecycle_execution_id) over w as is_acted_on, "
        "lag(snapshot_date) over w is null as is_first from image_builds "
        "window w as (partition by account_id, region, arn order by snapshot_date)"
    )
    changes = (
        f"select before as from_status, state_status as to_status, count(*) as builds from ({before}) "  # noqa: S608 - our own words
        "where not is_first and before is distinct from state_status "
    )
    intervals = (
        f"from ({before}) where (is_first or is_acted_on or before is distinct from state_status)"
    )
    compared = ", ".join(
        column.name
        for column in TABLES["image_builds"].columns
        if column.name not in ("account_id", "region", "captured_at", "arn")
    )
    return {
        "state changes, all: windows": f"{changes} group by all order by all",
        "state changes, a day: windows": f"{changes} and snapshot_date = '{week_before}' "
        "group by all order by all",
        "intervals, all: windows": f"select state_status, count(*) {intervals} "
        "group by all order by all",
        "intervals of an image: windows": f"select arn, state_status, snapshot_date {intervals} "
        "and image_slug = 'golden-image-77' order by all",
        "as of, builds: windows": "select state_status, count(*) from image_builds "  # noqa: S608 - our own words
        f"where snapshot_date = '{half}' group by all order by all",
        **{
            f"{name}: windows": f"""
                select
                    case when a.arn is null then 'added' when b.arn is null then 'removed'
                        else 'changed' end as change,
                    count(*)
                from (select {compared}, account_id, region, arn, row({compared}) as cells
                    from image_builds where snapshot_date = '{day}') as a
                full join (select {compared}, account_id, region, arn, row({compared}) as cells
                    from image_builds where snapshot_date = '{LAST_DATE}') as b
                    using (account_id, region, arn)
                where a.cells is distinct from b.cells
                group by all order by all"""  # noqa: S608 - our own words
            for name, day in (("diff of a week", week_before), ("diff of half the time", half))
        },
    }


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m tests.bench.changes")
    parser.add_argument("--dates", type=int, default=365, help="dates of the lake")
    parser.add_argument("--builds", type=int, default=100_000, help="builds of each date")
    parser.add_argument("--folder", type=Path, help="where to keep the lake; none: thrown away")
    parser.add_argument("--rounds", type=int, default=5, help="times that each view is asked")
    parser.add_argument("--no-windows", action="store_true", help="leave the window functions out")
    given = parser.parse_args()
    main(
        given.dates,
        given.builds,
        given.folder,
        given.rounds,
        with_windows=not given.no_windows,
    )
