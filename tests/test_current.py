"""The current rows, kept in files of their own, are those that the views find in the history."""

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.commit import rollback
from lake.definitions import CURRENT_VIEWS, definitions
from lake.folder import Folder
from lake.maintain import maintain
from lake.records import commits, newest_first, runs_of
from lake.retention import Keep
from lake.run import Run
from lake.schema_files import write_schema_files
from lake.warehouse import connect, publish, publish_pinned
from schemas.tables import TABLES
from schemas.view import macros, views
from tests.committed import of_builds
from tests.test_rebuild import write_version_1
from tests.test_writer import DAY, Rows, commit_rows

pytestmark = pytest.mark.usefixtures("at_once")

TARGETS = [("111111111111", "us-east-1"), ("111111111111", "eu-west-1"), ("222222222222", "x")]
DAYS = [DAY + timedelta(days=number) for number in range(5)]
View = dict[str, list[tuple[Any, ...]]]


def run_of(label: str, coverages: list[str | None]) -> Rows:
    """A run that covers each target so; None leaves the target out. Rows tell the run."""
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    for number, ((account_id, region), coverage) in enumerate(zip(TARGETS, coverages, strict=True)):
        if coverage is None:
            continue
        target = {"account_id": account_id, "region": region}
        builds = 0 if coverage == "none" else (number + len(label)) % 3 + 1
        for build in range(builds):
            arn = f"{region}/{build}"
            state = ("AVAILABLE", "FAILED")[len(label) // 3 % 2]
            rows["image_builds"].append(
                {**target, "arn": arn, "name": label[: len(label) // 2], "state_status": state}
            )
            child = {**target, "image_arn": arn, "position": 0}
            rows["image_amis"].append({**child, "ami_name": label})
            rows["image_containers"].append({**child, "image_uri": label})
            rows["image_region_failures"].append({**child, "error_message": label})
        status = "failed" if coverage == "none" else "complete"
        rows["snapshot_targets"].append(
            {**target, "coverage": coverage, "status": status, "builds": builds}
        )
    rows["snapshots"].append({"status": "complete"})
    return rows


HISTORY = (
    "capture_differences",
    "build_changes",
    "build_state_changes",
    "build_history",
    "disappeared_builds",
    f"builds_as_of(date '{DAYS[2]}')",
    f"amis_as_of('{DAYS[3]} 23:59:59+00')",
    f"snapshot_diff('{DAYS[1]}', '{DAYS[3]}')",
    f"snapshot_diff('{DAYS[4]}', '{DAYS[0]}')",
    f"snapshot_diff('{DAYS[1]}', '{DAYS[3] + timedelta(days=100)}')",
)
"""What is read from the files of changes, and by the runs of captures."""


def plain(folder: Folder) -> duckdb.DuckDBPyConnection:
    """The views by their own SQL, which finds the rows among those of every date."""
    versions = write_schema_files(folder)
    connection = duckdb.connect()
    for statement in definitions(folder, versions, has_state=False, has_changes=False):
        connection.execute(statement)
    for view in views():
        connection.execute(f"create or replace view {view.name} as {view.sql}")
    for macro in macros():
        parameters = ", ".join(macro.parameters)
        connection.execute(
            f"create or replace macro {macro.name}({parameters}) as table {macro.sql}"
        )
    return connection


def in_history(folder: Folder, asked: Sequence[str] = (*CURRENT_VIEWS, *HISTORY)) -> View:
    """Their rows."""
    with plain(folder) as connection:
        return answers(connection, asked)


def answers(
    connection: duckdb.DuckDBPyConnection, asked: Sequence[str] = (*CURRENT_VIEWS, *HISTORY)
) -> View:
    connection.execute("set timezone = 'Asia/Tokyo'")  # whatever the session's, the days are UTC's
    return {
        view: connection.execute(f"select * from {view} order by all").fetchall()  # noqa: S608 - our own views
        for view in asked
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "steps"), [(0, 8), *(pytest.param(n, 20, marks=pytest.mark.long) for n in range(5))]
)
def test_whatever_is_committed_the_current_rows_are_those_of_the_history(
    folder: Folder, tmp_path: Path, seed: int, steps: int
) -> None:
    """Dates in any order, re-runs that read more or less, rollbacks, clean-up, compaction."""
    dice = random.Random(seed)  # noqa: S311 - a history, no secret
    live, pinned = tmp_path / "live.duckdb", tmp_path / "pinned.duckdb"
    publish(folder, live)
    kinds = ["whole", "whole", "whole", "filtered", "part", "none", None]
    with connect(live) as connection, plain(folder) as history:
        for step in range(steps):
            day = dice.choice(DAYS)
            runs = [record.run_id for record in runs_of(folder, day)]
            action = dice.random()
            if action < 0.2 and runs:
                rollback(folder, day, dice.choice(runs))
            elif action < 0.3:
                now = datetime.now(UTC) + timedelta(days=dice.choice([1, 2, 9]))
                maintain(folder, Keep(keep_days=dice.choice([None, 400])), now)
            else:
                coverages = [dice.choice(kinds) for _ in TARGETS]
                commit_rows(folder, day, run_of("x" * (step + 1), coverages))
            asked = (*CURRENT_VIEWS, *HISTORY) if step % 10 == 9 else tuple(CURRENT_VIEWS)
            assert answers(connection, asked) == answers(history, asked), (seed, step)
    publish_pinned(folder, pinned)
    with connect(pinned) as connection:
        assert answers(connection) == in_history(folder)


def test_a_run_that_changes_no_current_row_names_the_state_before(folder: Folder) -> None:
    """A run that reads no target whole writes no current rows anew."""
    commit_rows(folder, DAYS[0], run_of("a", ["whole", "whole", "whole"]))
    commit_rows(folder, DAYS[1], run_of("b", ["whole", "whole", "whole"]))
    commit_rows(folder, DAYS[0], run_of("c", ["whole", "part", None]))
    commit_rows(folder, DAYS[2], run_of("d", ["none", "none", "none"]))
    third, second, first, _ = [record.state for record in newest_first(commits(folder))]
    assert third == second != first


@pytest.mark.slow
def test_a_lake_of_an_older_version_reads_its_current_rows_from_the_history(
    folder: Folder, tmp_path: Path
) -> None:
    """Until the first commit: that one derives them from every date, and the views are built anew."""
    write_version_1(folder, DAYS[0], of_builds("a"))
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        assert connection.execute("select arn from current_builds").fetchall() == [("a",)]
        commit_rows(folder, DAYS[1], run_of("b", ["none", "whole", None]))
        assert answers(connection) == in_history(folder)
    assert publish(folder, warehouse) is True
    with connect(warehouse) as connection:
        assert answers(connection) == in_history(folder)
        assert ("a",) in connection.execute("select arn from current_builds").fetchall()


def test_current_rows_in_another_order_are_found_in_the_history(
    folder: Folder, tmp_path: Path
) -> None:
    """As they lay before they lay by run: nothing is taken for empty, and the next commit mends it."""
    commit_rows(folder, DAYS[0], run_of("a", ["whole", "whole", "whole"]))
    (record,) = folder.root.glob("_commits/*.json")
    for part in folder.root.glob("_current/*/state=2*/*/*/*.parquet"):
        part.rename(part.parents[2] / part.name)
    tables, _, current = record.read_text().partition('"current"')
    folders = "/".join(["", f"snapshot_date={DAYS[0]}", r"run_id=[^/]+", "part"])
    record.write_text(f'{tables}"current"{re.sub(folders, "/part", current)}')
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        assert answers(connection) == in_history(folder)
        commit_rows(folder, DAYS[1], run_of("b", ["none", "whole", "filtered"]))
        assert answers(connection) == in_history(folder)
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        assert len(answers(connection)["current_builds"]) > 0
        assert answers(connection) == in_history(folder)


def test_one_date_among_many_is_read_for_current_rows(folder: Folder, tmp_path: Path) -> None:
    """However long the history is: one file of current rows, and the one without rows."""
    for day in DAYS:
        commit_rows(folder, day, run_of("a", ["whole", "whole", "whole"]))
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        plan = connection.execute("explain analyze select max(name) from current_builds").fetchall()
    assert "Total Files Read: 1" in plan[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["snapshot_targets", "image_builds"])
def test_current_rows_that_cannot_be_read_are_derived_anew(
    folder: Folder, tmp_path: Path, gone: str
) -> None:
    """From the history: a file that somebody removed stops no commit."""
    commit_rows(folder, DAYS[0], run_of("a", ["whole", "whole", "whole"]))
    (file,) = (path for path in folder.root.glob(f"_current/{gone}/state=2*/**/*.parquet"))
    file.unlink()
    commit_rows(folder, DAYS[1], run_of("b", ["whole", "none", "filtered"]))
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        assert answers(connection) == in_history(folder)


def current_files(folder: Folder) -> list[Path]:
    """The files of current builds, by path."""
    state = newest_first(commits(folder))[0].state
    return sorted(folder.root.glob(f"_current/image_builds/state={state}/**/*.parquet"))


def own_file(folder: Folder, run: Run) -> Path:
    """A run's file of builds."""
    (own,) = folder.root.glob(f"image_builds/*/run_id={run.run_id}/*")
    return own


def test_a_run_s_files_are_current_as_they_are(folder: Folder) -> None:
    """Copies, byte for byte: of what the run wrote, and of what stands of those before it."""
    first = commit_rows(folder, DAYS[0], run_of("a", ["whole", "whole", "whole"]))
    (current,) = current_files(folder)
    assert current.read_bytes() == own_file(folder, first).read_bytes()
    second = commit_rows(folder, DAYS[1], run_of("b", ["whole", "whole", "none"]))
    before, new = current_files(folder)
    assert new.read_bytes() == own_file(folder, second).read_bytes()
    assert pq.read_table(before, partitioning=None)["region"].unique().to_pylist() == ["x"]
    old = before.read_bytes()
    third = commit_rows(folder, DAYS[2], run_of("c", ["whole", "whole", "part"]))
    kept, new = current_files(folder)
    assert kept.read_bytes() == old
    assert new.read_bytes() != own_file(folder, third).read_bytes()  # one target was read in part
    assert set(pq.read_table(new, partitioning=None)["region"].to_pylist()) == {
        "us-east-1",
        "eu-west-1",
    }


def test_a_damaged_file_of_the_history_leaves_its_current_rows_as_they_are(
    folder: Folder, tmp_path: Path
) -> None:
    """They are copies: neither the next commit nor what it shows depends on the damaged file."""
    run = commit_rows(folder, DAYS[0], run_of("a", ["whole", "whole", "whole"]))
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    query = "select * from current_builds where snapshot_date = ? and region = 'x' order by all"
    with connect(warehouse) as connection:
        before = connection.execute(query, [DAYS[0]]).fetchall()
        with own_file(folder, run).open("r+b") as file:
            file.truncate(100)
        commit_rows(folder, DAYS[1], run_of("b", ["none", "whole", "none"]))
        commit_rows(folder, DAYS[2], run_of("c", ["whole", "none", "none"]))
        assert connection.execute(query, [DAYS[0]]).fetchall() == before != []


@pytest.mark.parametrize("name", ["snapshot_targets", "target_captures"])
def test_a_state_s_word_of_targets_that_was_changed_is_not_carried_on(
    folder: Folder, tmp_path: Path, name: str
) -> None:
    """The next commit derives it from the history."""
    commit_rows(folder, DAYS[0], run_of("a", ["whole", "whole", "whole"]))
    (path,) = folder.root.glob(f"_current/{name}/state=2*/*.parquet")
    told = pq.read_table(path, partitioning=None)
    changed = pa.repeat(pa.scalar("somebody else's"), told.num_rows)
    position = told.column_names.index("account_id")
    pq.write_table(told.set_column(position, told.schema.field("account_id"), changed), path)
    commit_rows(folder, DAYS[1], run_of("b", ["none", "whole", None]))
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        assert answers(connection) == in_history(folder)
