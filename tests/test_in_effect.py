"""What is built while a record takes effect shows what does until then, and the run from then on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import rmtree

import pytest

from extract.emulator.settings import REGIONS
from flows.parameters import SnapshotParameters
from flows.pipeline import PLAIN, publish_warehouse, take_snapshot
from lake.commit import commit
from lake.folder import Folder
from lake.location import open_folder
from lake.records import commits, commits_in_effect
from lake.warehouse import connect, publish
from tests.committed import of_builds
from tests.test_writer import DAY, commit_rows, write_run

CURRENT = "select count(*) from current_builds"


def counted(warehouse: Path, query: str = CURRENT) -> int:
    with connect(warehouse) as connection:
        ((count,),) = connection.execute(query).fetchall()
    return int(count)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("materialize", [False, True])
def test_a_run_ends_in_effect_and_its_views_are_built_before(
    parameters: Callable[..., SnapshotParameters], materialize: bool
) -> None:
    """A warehouse of tables has to hold the run, and is built once that shows."""
    given = parameters(region=[REGIONS[0]], visibility_seconds=2, materialize=materialize)
    shown: list[int] = []

    def noting(parameters: SnapshotParameters) -> bool:
        shown.append(len(commits_in_effect(open_folder(given.lake))))
        return publish_warehouse(parameters)

    summary = take_snapshot(given, replace(PLAIN, publish=noting))
    assert summary.warehouse_problem is None
    assert shown == [1 if materialize else 0]
    assert counted(given.warehouse) == summary.row_counts["image_builds"]


def made_by_an_older_version(folder: Folder) -> None:
    """The newest record names no current rows, and there are none, nor files of changes."""
    (record,) = commits(folder)
    folder.path(record.path).rename(folder.path(replace(record, state="").path))
    for name in ("_current", "_changes"):
        rmtree(folder.path(name), ignore_errors=True)


def test_a_warehouse_shows_the_record_that_holds_until_the_next_one_does(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its current rows are to be found in the history alone."""
    with monkeypatch.context() as at_once:
        at_once.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        commit_rows(folder, DAY, of_builds("a", "b"))
    made_by_an_older_version(folder)
    run, manifest = write_run(folder, DAY + timedelta(days=1), of_builds("a", "b", "c"))
    monkeypatch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(seconds=30))
    commit(folder, run, manifest, {"status": "complete", "is_demo": False}, awaits=False)
    publish(folder, tmp_path / "w.duckdb")
    assert counted(tmp_path / "w.duckdb") == 2


@pytest.mark.usefixtures("emulator")
def test_a_run_after_an_older_version_s_builds_its_views_once_it_shows(
    parameters: Callable[..., SnapshotParameters],
) -> None:
    given = parameters(region=[REGIONS[0]], date="2025-11-20", visibility_seconds=2)
    first = take_snapshot(given)
    made_by_an_older_version(open_folder(given.lake))
    publish_warehouse(given)
    shown: list[int] = []

    def noting(parameters: SnapshotParameters) -> bool:
        shown.append(len(commits_in_effect(open_folder(given.lake))))
        return publish_warehouse(parameters)

    steps = replace(PLAIN, publish=noting)
    second = take_snapshot(given.model_copy(update={"date": DAY + timedelta(days=1)}), steps)
    assert (first.warehouse_problem, second.warehouse_problem, shown) == (None, None, [2])
    assert publish_warehouse(given) is False
    assert counted(given.warehouse) == second.row_counts["image_builds"]
