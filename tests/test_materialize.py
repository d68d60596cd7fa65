"""The commands build the warehouse of tables, keep it up to date, and ask it without its lake."""

import shutil
from pathlib import Path

import pytest

from extract.emulator import Emulator
from lake.location import open_folder
from lake.warehouse import connect
from tests.command import Command
from tests.committed import of_builds
from tests.rows import rows
from tests.test_writer import DAY, commit_rows

pytestmark = pytest.mark.slow

LAKE, WAREHOUSE = Path("data/lake"), Path("data/imagelake.duckdb")
REFUSED = (
    f"imagelake: --warehouse '{WAREHOUSE}': the file is a materialized warehouse, and this would make "
    "it a live one; remove it or give another (or give --materialize)\n"
)


def builds_in(warehouse: Path) -> list[str]:
    with connect(warehouse) as connection:
        return [arn for (arn,) in rows(connection, "select arn from bi.builds order by all")]


def test_a_run_builds_it_and_builds_it_anew(
    imagelake: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Each run's snapshot is in it; the commands that only ask need no lake."""
    assert emulator
    run = ("run", "--materialize", "--region", "us-east-1")
    first = imagelake(*run, "--date", "2025-11-19")
    assert first.returncode == 0
    assert "building the warehouse\n" in first.stderr
    assert imagelake(*run, "--date", "2025-11-20").returncode == 0
    again = imagelake("publish", "--materialize")
    assert (again.returncode, again.stdout) == (0, f"{WAREHOUSE}: up to date\n")
    shutil.rmtree(tmp_path / LAKE)
    asked = imagelake(
        "sql", "--format", "csv", "select snapshot_date from bi.snapshots order by all"
    )
    assert asked.stdout == "snapshot_date\n2025-11-19\n2025-11-20\n"
    assert imagelake("status").stdout.splitlines()[2].split()[:2] == ["2025-11-20", "complete"]
    assert imagelake("report", "--out", "report.html").returncode == 0
    assert (tmp_path / "report.html").stat().st_size > 50_000
    assert imagelake("export", "--out", "files", "bi.builds").returncode == 0
    left_out = imagelake("sql", "from image_builds")
    assert left_out.returncode == 2
    assert "image_builds does not exist" in left_out.stderr


def test_a_plain_run_is_refused_before_anything_is_asked(
    imagelake: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """It would make of the tables live views, which their readers could not read."""
    commit_rows(open_folder(str(tmp_path / LAKE)), DAY, of_builds("a"))
    built = imagelake("publish", "--materialize")
    assert (built.returncode, built.stdout) == (0, f"{WAREHOUSE}: built\n")
    for command in (("run", "--region", "us-east-1"), ("publish",)):
        refused = imagelake(*command)
        assert refused.returncode == 2
        assert refused.stderr.endswith(REFUSED)
    assert emulator.requests() == []
    assert builds_in(tmp_path / WAREHOUSE) == ["a"]


@pytest.mark.usefixtures("at_once")
def test_what_changes_the_lake_keeps_it_up_to_date(imagelake: Command, tmp_path: Path) -> None:
    """As it does the live one, without being told again what it is."""
    lake = open_folder(str(tmp_path / LAKE))
    first = commit_rows(lake, DAY, of_builds("a")).run_id
    commit_rows(lake, DAY, of_builds("b"))
    assert imagelake("publish", "--materialize").returncode == 0
    assert builds_in(tmp_path / WAREHOUSE) == ["b"]
    assert imagelake("rollback", str(DAY), first).returncode == 0
    assert builds_in(tmp_path / WAREHOUSE) == ["a"]
    commit_rows(lake, DAY, of_builds("c"))
    assert imagelake("maintain").returncode == 0
    assert builds_in(tmp_path / WAREHOUSE) == ["c"]


def test_it_is_frozen_views_or_tables(imagelake: Command) -> None:
    refused = imagelake("publish", "--pinned", "--materialize")
    assert (refused.returncode, refused.stderr) == (
        2,
        "imagelake: --pinned, --materialize: a warehouse is frozen views or tables; give one of them\n",
    )
