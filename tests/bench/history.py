"""`python -m tests.bench.history`: what the live views cost over a long history of snapshots.

Builds a lake of 1,500 dates and 10 million builds (or one of `--dates` and `--rows`, kept in
`--folder` and used again where it is there), then asks the same questions of DuckDB 1.5.5 and 2.0.0
by a plain glob, by an explicit list of files and by the views.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

from lake.folder import Folder
from lake.location import open_folder
from lake.records import commits, newest_commit, read_record
from lake.storage import LakeSettings
from lake.warehouse import publish, publish_pinned
from tests.bench.lakes import (
    BUILDS_AN_AMI,
    VERSIONS,
    amis_of,
    builds_of,
    clean_up,
    measured,
    say,
    write_date,
)

LAST_DATE: Final = date(2025, 11, 20)
MOST: Final = {
    "live / plain glob, one date": 2.0,
    "current / direct, aggregate": 2.0,
    "current / direct, newest ten": 2.0,
    "current / direct, all rows": 2.0,
}
"""The ratios that the views must keep to, by how `_ratios` names them."""


def main(dates: int, rows: int, folder: Path | None, rounds: int) -> None:
    """Prints the median milliseconds of each question, and the ratios, on each version."""
    with TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        lake = open_folder(str(root / f"lake-{dates}-{rows}"), LakeSettings(visibility_seconds=0))
        _build(lake, dates, rows)
        clean_up(lake)
        warehouse = root / f"history-{dates}-{rows}.duckdb"
        pinned = root / f"pinned-{dates}-{rows}.duckdb"
        publish(lake, warehouse)
        publish_pinned(lake, pinned)
        queries = _queries(lake, dates)
        for version in VERSIONS:
            medians = measured(version, warehouse, queries, rounds, {"pinned": pinned})
            say(f"DuckDB {version}, median ms of {rounds}")
            for name, spent in medians.items():
                say(f"  {name:32} {spent:8.1f}")
            for name, ratio in _ratios(medians).items():
                most = f" (at most {MOST[name]:.1f})" if name in MOST else ""
                say(f"  {name:32} {ratio:8.2f}{most}")


def _build(lake: Folder, dates: int, rows: int) -> None:
    """A committed run of every table a date; dates that the lake has already are left alone.

    Nothing waits for a commit to take effect, nor for the disk: only the readers are measured.
    """
    there = {record.snapshot_date for record in commits(lake)}
    missing = [day for day in _days(dates) if day not in there]
    if not missing:
        return
    each = rows // dates
    builds = builds_of(2 * each)
    amis = amis_of(builds)
    started = time.monotonic()
    with patch("lake.folder.sync", lambda _: None):
        for number, day in enumerate(missing, 1):
            start = number * 8 % each
            write_date(
                lake,
                day,
                builds.slice(start, each),
                amis.slice(start // BUILDS_AN_AMI, each // BUILDS_AN_AMI),
            )
            if number % 100 == 0 or number == len(missing):
                seconds = time.monotonic() - started
                say(f"{number:,} of {len(missing):,} dates written in {seconds:.0f} s")


def _days(dates: int) -> list[date]:
    return [LAST_DATE - timedelta(days=number) for number in reversed(range(dates))]


def _queries(lake: Folder, dates: int) -> dict[str, str]:
    """By name, each question of each way to read the builds."""
    days = _days(dates)
    glob = lake.glob("image_builds/*/*/*.parquet")
    types = "{'snapshot_date': DATE, 'run_id': VARCHAR}"
    sources = {
        "plain glob": f"read_parquet('{glob}', hive_partitioning = true, hive_types = {types})",
        "pinned": "pinned.image_builds",
        "live": "image_builds",
    }
    facts = "count(*), count(distinct state_status), max(created_at)"
    middle, last_30 = days[dates // 2], days[-min(30, dates)]
    questions = {
        "one date": f"select {facts} from {{}} where snapshot_date = date '{middle}'",  # noqa: S608 - our own words
        "last 30 dates": f"select {facts} from {{}} where snapshot_date >= date '{last_30}'",  # noqa: S608 - our own words
        "count of all": "select count(*) from {}",
    }
    newest = newest_commit(lake, days[-1])
    if newest is None:
        raise SystemExit(f"{lake.uri}: the date {days[-1]} has no commit; remove the folder")
    files = read_record(lake, newest)["tables"]["image_builds"]["files"]
    direct = "read_parquet([{}])".format(", ".join(f"'{lake.path(f['path'])}'" for f in files))
    columns = "name, semantic_version, build_number, state_status, created_at"
    of_now = {
        "aggregate": "select state_status, count(*), max(created_at) from {} "
        "group by all order by all",
        "newest ten": f"select {columns} from {{}} order by created_at desc limit 10",  # noqa: S608 - our own words
        "all rows": f"select {columns} from {{}} order by all",  # noqa: S608 - our own words
    }
    return {
        **{
            f"{question}: {source}": sql.format(relation)
            for question, sql in questions.items()
            for source, relation in sources.items()
        },
        **{
            f"{question}: {source}": sql.format(relation)
            for question, sql in of_now.items()
            for source, relation in (
                ("direct", direct),
                ("current", "current_builds"),
                ("current, pinned", "pinned.current_builds"),
            )
        },
    }


def _ratios(medians: dict[str, float]) -> dict[str, float]:
    """What the views cost over reading the files as they lie."""
    questions = ("one date", "last 30 dates", "count of all")
    return {
        **{
            f"{way} / plain glob, {question}": medians[f"{question}: {way}"]
            / medians[f"{question}: plain glob"]
            for question in questions
            for way in ("live", "pinned")
        },
        **{
            f"current / direct, {question}": medians[f"{question}: current"]
            / medians[f"{question}: direct"]
            for question in ("aggregate", "newest ten", "all rows")
        },
    }


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m tests.bench.history")
    parser.add_argument("--dates", type=int, default=1500, help="dates of the lake")
    parser.add_argument("--rows", type=int, default=10_000_000, help="builds of all dates")
    parser.add_argument("--folder", type=Path, help="where to keep the lake; none: thrown away")
    parser.add_argument("--rounds", type=int, default=9, help="times that each query is asked")
    given = parser.parse_args()
    main(given.dates, given.rows, given.folder, given.rounds)
