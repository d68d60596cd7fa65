"""`python -m tests.bench.history`: what the live views cost over a long history of snapshots.

Builds a lake of 1,500 dates and 10 million builds (or one of `--dates` and `--rows`, kept in
`--folder` and used again where it is there), then asks the same questions of DuckDB 1.5.5 and 2.0.0
by a plain glob, by an explicit list of files and by the views.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import pyarrow as pa

from lake.commit import commit
from lake.folder import Folder
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import commits, newest_commit, read_record
from lake.retention import Keep
from lake.run import Run
from lake.storage import LakeSettings
from lake.warehouse import publish, publish_pinned
from lake.writer import SnapshotWriter
from schemas.tables import TABLES
from tests.test_duckdb_versions import PROJECT, python_with

VERSIONS: Final = ("1.5.5", "2.0.0")
LAST_DATE: Final = date(2025, 11, 20)
TARGETS: Final = tuple(
    (account_id, region)
    for account_id in ("111111111111", "222222222222")
    for region in ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")
)
BUILDS_AN_IMAGE: Final = 25
BUILDS_AN_AMI: Final = 4
"""One build in so many lists an AMI."""
STATES: Final = ("AVAILABLE", "AVAILABLE", "DEPRECATED", "FAILED", "AVAILABLE", "CANCELLED")
FIRST_BUILD_AT: Final = datetime(2021, 1, 1, tzinfo=UTC)
MOST: Final = {
    "live / plain glob, one date": 2.0,
    "current / direct, aggregate": 2.0,
    "current / direct, newest ten": 2.0,
    "current / direct, all rows": 2.0,
}
"""The ratios that the views must keep to, by how `_ratios` names them."""

MEASURE: Final = """
import json, statistics, sys, time
import duckdb
ask = json.load(sys.stdin)
def opened():
    return duckdb.connect(ask["warehouse"], read_only=True)
def milliseconds(work):
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
times = {"open": [milliseconds(lambda: opened().close()) for _ in range(ask["rounds"])]}
connection = opened()
connection.execute("set timezone = 'UTC'")
connection.execute(f"attach '{ask['pinned']}' as pinned (read_only)")
connection.execute("set enable_progress_bar = false")  # it would go to the standard output
for sql in ask["queries"].values():
    connection.execute(sql).fetchall()
for _ in range(ask["rounds"]):
    for name, sql in ask["queries"].items():
        spent = milliseconds(lambda: connection.execute(sql).fetchall())
        times.setdefault(name, []).append(spent)
medians = {name: statistics.median(spent) for name, spent in times.items()}
answers = {name: repr(connection.execute(sql).fetchall()) for name, sql in ask["queries"].items()}
json.dump({"version": duckdb.__version__, "medians": medians, "answers": answers}, sys.stdout)
"""


def main(dates: int, rows: int, folder: Path | None, rounds: int) -> None:
    """Prints the median milliseconds of each question, and the ratios, on each version."""
    with TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        lake = open_folder(str(root / f"lake-{dates}-{rows}"), LakeSettings(visibility_seconds=0))
        _build(lake, dates, rows)
        _clean_up(lake)
        warehouse = root / f"history-{dates}-{rows}.duckdb"
        pinned = root / f"pinned-{dates}-{rows}.duckdb"
        publish(lake, warehouse)
        publish_pinned(lake, pinned)
        queries = _queries(lake, dates)
        for version in VERSIONS:
            measured = _measured(version, warehouse, pinned, queries, rounds)
            _say(f"DuckDB {version}, median ms of {rounds}")
            for name, spent in measured.items():
                _say(f"  {name:32} {spent:8.1f}")
            for name, ratio in _ratios(measured).items():
                most = f" (at most {MOST[name]:.1f})" if name in MOST else ""
                _say(f"  {name:32} {ratio:8.2f}{most}")


def _build(lake: Folder, dates: int, rows: int) -> None:
    """A committed run of every table a date; dates that the lake has already are left alone.

    Nothing waits for a commit to take effect, nor for the disk: only the readers are measured.
    """
    there = {record.snapshot_date for record in commits(lake)}
    missing = [day for day in _days(dates) if day not in there]
    if not missing:
        return
    each = rows // dates
    builds = _builds(2 * each)
    amis = _amis(builds)
    started = time.monotonic()
    with patch("lake.folder.sync", lambda _: None):
        for number, day in enumerate(missing, 1):
            start = number * 8 % each
            _write(
                lake,
                day,
                builds.slice(start, each),
                amis.slice(start // BUILDS_AN_AMI, each // BUILDS_AN_AMI),
            )
            if number % 100 == 0 or number == len(missing):
                seconds = time.monotonic() - started
                _say(f"{number:,} of {len(missing):,} dates written in {seconds:.0f} s")


def _clean_up(lake: Folder) -> None:
    """Leaves the lake as a clean-up every day does.

    Without the current rows of every day before, and all records but the newest moved aside: the
    first clean-up copies them, the second removes their first names.
    """
    for days in (2, 4):
        maintain(lake, Keep(compact=False), datetime.now(UTC) + timedelta(days=days))


def _write(lake: Folder, day: date, builds: pa.Table, amis: pa.Table) -> None:
    """A date's committed run, whose rows were captured on that day."""
    run = Run.begin(datetime.now(UTC), day)
    at = datetime(day.year, day.month, day.day, 2, tzinfo=UTC)
    each = builds.num_rows // len(TARGETS)
    covered = [
        {
            **_target(number),
            "captured_at": at,
            "status": "complete",
            "coverage": "whole",
            "builds": each,
            "request": "{}",
        }
        for number in range(len(TARGETS))
    ]
    snapshot = {"started_at": at, "committed_at": at, "status": "complete"}
    with SnapshotWriter(lake, run) as writer:
        writer.append(
            {
                "image_builds": _captured(builds, at),
                "image_amis": _captured(amis, at),
                "snapshot_targets": _rows("snapshot_targets", covered),
                "snapshots": _rows("snapshots", [snapshot]),
            }
        )
        manifest = writer.publish()
    commit(lake, run, manifest, {"status": "complete"})


def _builds(count: int) -> pa.Table:
    """Builds that no two dates list alike: a date takes a slice. Each target's lie together."""
    each = max(1, count // 2 // len(TARGETS))
    return _rows("image_builds", [_build_row(number, number // each) for number in range(count)])


def _build_row(number: int, place: int) -> dict[str, Any]:
    target = _target(place)
    image, build_number = divmod(number, BUILDS_AN_IMAGE)
    major, minor, patch_number = image % 3 + 1, image % 10, build_number % 4
    version = f"{major}.{minor}.{patch_number}"
    slug = f"golden-image-{image}"
    is_failed = STATES[number % len(STATES)] == "FAILED"
    created_at = FIRST_BUILD_AT + timedelta(minutes=37 * number)
    return {
        **target,
        "arn": f"arn:aws:imagebuilder:{target['region']}:{target['account_id']}"
        f":image/{slug}/{version}/{build_number}",
        "name": slug.replace("-", " ").title(),
        "type": "AMI",
        "version": f"{version}/{build_number}",
        "platform": "Linux" if image % 4 else "Windows",
        "os_version": "Amazon Linux 2023" if image % 4 else "Microsoft Windows Server 2022",
        "state_status": STATES[number % len(STATES)],
        "state_reason": f"Step {number % 9} failed: exit status {number % 5}"
        if is_failed
        else None,
        "owner": target["account_id"],
        "ownership": "Self",
        "date_created": created_at.isoformat(),
        "created_at": created_at,
        "build_type": "SCHEDULED",
        "image_source": "AMAZON_MANAGED",
        "log_group_name": f"/aws/imagebuilder/{slug}",
        "tags": [
            ("Team", f"team-{image % 12}"),
            ("Stage", "prod"),
            ("CostCenter", f"{image % 40}"),
        ],
        "failure_image_status": "BUILDING" if is_failed else None,
        "failure_step": "ApplyBuildComponents" if is_failed else None,
        "image_owner_account": target["account_id"],
        "image_region": target["region"],
        "image_slug": slug,
        "semantic_version": version,
        "version_major": major,
        "version_minor": minor,
        "version_patch": patch_number,
        "build_number": build_number,
    }


def _amis(builds: pa.Table) -> pa.Table:
    """An AMI of every fourth of the builds, in the build's own target."""
    listing = builds.select(["account_id", "region", "arn"]).to_pylist()[::BUILDS_AN_AMI]
    rows = [
        {
            "account_id": build["account_id"],
            "region": build["region"],
            "image_arn": build["arn"],
            "position": 0,
            "ami_region": build["region"],
            "ami_id": f"ami-{number:017x}",
            "ami_name": f"golden {number}",
            "ami_account_id": build["account_id"],
            "state_status": "AVAILABLE",
        }
        for number, build in enumerate(listing)
    ]
    return _rows("image_amis", rows)


def _rows(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[table].arrow_schema)


def _captured(rows: pa.Table, at: datetime) -> pa.Table:
    """The rows as captured at the instant."""
    place = rows.schema.get_field_index("captured_at")
    instants = pa.repeat(pa.scalar(at, rows.schema.field(place).type), rows.num_rows)
    return rows.set_column(place, rows.schema.field(place), instants)


def _target(place: int) -> dict[str, Any]:
    account_id, region = TARGETS[place % len(TARGETS)]
    return {"account_id": account_id, "region": region}


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


def _measured(
    version: str, warehouse: Path, pinned: Path, queries: dict[str, str], rounds: int
) -> dict[str, float]:
    """By query, the median of its times in ms in a process of that DuckDB.

    Every way to read must give the same answer to a question.
    """
    ask = {
        "warehouse": str(warehouse),
        "pinned": str(pinned),
        "queries": queries,
        "rounds": rounds,
    }
    ended = subprocess.run(
        [python_with(version), "-c", MEASURE],
        input=json.dumps(ask),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(ended.stderr)
    result: dict[str, Any] = json.loads(ended.stdout)
    answers: dict[str, str] = {}
    for name, answer in result["answers"].items():
        question = name.partition(":")[0]
        if answers.setdefault(question, answer) != answer:
            raise SystemExit(f"{name}: found {answer}, expected {answers[question]}")
    medians: dict[str, float] = result["medians"]
    return medians


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


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m tests.bench.history")
    parser.add_argument("--dates", type=int, default=1500, help="dates of the lake")
    parser.add_argument("--rows", type=int, default=10_000_000, help="builds of all dates")
    parser.add_argument("--folder", type=Path, help="where to keep the lake; none: thrown away")
    parser.add_argument("--rounds", type=int, default=9, help="times that each query is asked")
    given = parser.parse_args()
    main(given.dates, given.rows, given.folder, given.rounds)
