"""Lakes to measure on, as big as one likes, and how long questions take on a DuckDB version."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from lake.commit import commit
from lake.folder import Folder
from lake.maintain import maintain
from lake.retention import Keep
from lake.run import Run
from lake.writer import SnapshotWriter
from schemas.tables import TABLES
from tests.test_duckdb_versions import PROJECT, python_with

VERSIONS: Final = ("1.5.5", "2.0.0")
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
for name, path in ask["attached"].items():
    connection.execute(f"attach '{path}' as {name} (read_only)")
connection.execute("set enable_progress_bar = false")  # it would go to the standard output
answers = {}
for number in range(ask["rounds"] + (ask["rounds"] > 1)):  # the first of several warms up
    for name, sql in ask["queries"].items():
        started = time.perf_counter()
        rows = connection.execute(sql).fetchall()
        spent = (time.perf_counter() - started) * 1000
        answers.setdefault(name, repr(rows))
        if number or ask["rounds"] == 1:
            times.setdefault(name, []).append(spent)
medians = {name: statistics.median(spent) for name, spent in times.items()}
json.dump({"version": duckdb.__version__, "medians": medians, "answers": answers}, sys.stdout)
"""


def write_date(lake: Folder, day: date, builds: pa.Table, amis: pa.Table) -> None:
    """A date's committed run, whose rows were captured on that day."""
    run = Run.begin(datetime.now(UTC), day)
    at = datetime(day.year, day.month, day.day, 2, tzinfo=UTC)
    each = builds.num_rows // len(TARGETS)
    covered = [
        {
            **target_of(number),
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
                "image_builds": captured(builds, at),
                "image_amis": captured(amis, at),
                "snapshot_targets": rows_of("snapshot_targets", covered),
                "snapshots": rows_of("snapshots", [snapshot]),
            }
        )
        manifest = writer.publish()
    commit(lake, run, manifest, {"status": "complete"})


def builds_of(count: int) -> pa.Table:
    """Builds that no two dates list alike: a date takes a slice. Each target's lie together."""
    each = max(1, count // 2 // len(TARGETS))
    return rows_of("image_builds", [build_row(number, number // each) for number in range(count)])


def build_row(number: int, place: int) -> dict[str, Any]:
    target = target_of(place)
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


def amis_of(builds: pa.Table) -> pa.Table:
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
    return rows_of("image_amis", rows)


def rows_of(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[table].arrow_schema)


def captured(rows: pa.Table, at: datetime) -> pa.Table:
    """The rows as captured at the instant."""
    place = rows.schema.get_field_index("captured_at")
    instants = pa.repeat(pa.scalar(at, rows.schema.field(place).type), rows.num_rows)
    return rows.set_column(place, rows.schema.field(place), instants)


def target_of(place: int) -> dict[str, Any]:
    account_id, region = TARGETS[place % len(TARGETS)]
    return {"account_id": account_id, "region": region}


def clean_up(lake: Folder) -> None:
    """Leaves the lake as a clean-up every day does.

    Without the current rows of every day before, and all records but the newest moved aside: the
    first clean-up copies them, the second removes their first names.
    """
    for days in (2, 4):
        maintain(lake, Keep(compact=False), datetime.now(UTC) + timedelta(days=days))


def measured(
    version: str,
    warehouse: Path,
    queries: Mapping[str, str],
    rounds: int,
    attached: Mapping[str, Path] | None = None,
) -> dict[str, float]:
    """By query, the median of its times in ms in a process of that DuckDB.

    A query's name is `question: way`; every way must give the same answer to a question. With one
    round nothing is warmed up.
    """
    ask = {
        "warehouse": str(warehouse),
        "attached": {name: str(path) for name, path in (attached or {}).items()},
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


def say(text: str) -> None:
    """A line on the standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
