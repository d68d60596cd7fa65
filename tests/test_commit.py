"""A commit shows all tables of a run at one instant, and the newest one of a date shows."""

import multiprocessing
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lake.commit import commit
from lake.folder import Folder
from lake.location import open_folder
from lake.records import COMMITS, commits, newest_commit
from tests.committed import FACTS, Reader, of_builds, reader
from tests.test_storage import ODD_NAMES
from tests.test_writer import DAY, commit_rows, write_run

__all__ = ["reader"]  # a fixture is used by its name

NEXT_DAY = date(2025, 11, 21)


def test_an_uncommitted_run_is_invisible(folder: Folder, reader: Reader) -> None:
    run, manifest = write_run(folder, DAY, of_builds("a"))
    assert reader.counts() == dict.fromkeys(reader.counts(), 0)
    assert reader.rows("from visible_runs") == []

    record = commit(folder, run, manifest, FACTS)
    assert reader.counts() == dict.fromkeys(reader.counts(), 1)
    effective_at = datetime.fromtimestamp(record.effective_at_ms / 1000, UTC)
    assert reader.rows("from visible_runs") == [(DAY, run.run_id, effective_at)]


@pytest.mark.slow
def test_a_second_run_replaces_the_first_of_its_date_in_every_view(
    folder: Folder, reader: Reader
) -> None:
    """Nothing counts twice, and other dates stay as they are."""
    commit_rows(folder, DAY, of_builds("a", "b"))
    commit_rows(folder, NEXT_DAY, of_builds("z"))
    second = commit_rows(folder, DAY, of_builds("b", "c", "d"))
    assert reader.arns() == ["b", "c", "d", "z"]
    assert reader.arns("image_amis") == ["b", "c", "d", "z"]
    assert reader.rows("select snapshot_date, builds from snapshot_targets order by all") == [
        (DAY, 3),
        (NEXT_DAY, 1),
    ]
    assert reader.rows("select image_builds_count from snapshots order by snapshot_date") == [
        (3,),
        (1,),
    ]
    assert reader.arns("current_builds") == ["z"]
    assert newest_commit(folder, DAY) == max(
        (record for record in commits(folder) if record.run_id == second.run_id),
        key=lambda record: record.effective_at_ms,
    )


def test_all_queries_of_a_transaction_see_one_state_of_the_lake(
    folder: Folder, reader: Reader
) -> None:
    """A commit that lands between two reads of a transaction shows in neither."""
    commit_rows(folder, DAY, of_builds("a"))
    reader.connection.begin()
    assert reader.arns("image_builds") == ["a"]
    commit_rows(folder, DAY, of_builds("b", "c"))
    assert reader.arns("image_amis") == ["a"]
    assert reader.arns("image_builds") == ["a"]
    reader.connection.commit()
    assert reader.arns("image_amis") == ["b", "c"]
    assert reader.arns("image_builds") == ["b", "c"]


@pytest.mark.slow
def test_no_reader_ever_sees_half_a_commit(folder: Folder, reader: Reader) -> None:
    """Every query across tables, asked without pause while runs are committed, sees one run."""
    commit_rows(folder, DAY, of_builds("0"))
    child = multiprocessing.get_context("spawn").Process(target=_commit_three, args=(folder,))
    child.start()
    seen = set()
    while child.is_alive():
        seen.update(
            reader.rows(
                """
                select
                    (select list(arn order by arn) from image_builds)::varchar,
                    (select list(image_arn order by image_arn) from image_amis)::varchar,
                    (select any_value(image_builds_count) from snapshots)
                """
            )
        )
    assert child.exitcode == 0
    whole = {
        ("[0]", "[0]", 1),
        ("[1, 1b]", "[1, 1b]", 2),
        ("[2, 2b]", "[2, 2b]", 2),
        ("[3, 3b]", "[3, 3b]", 2),
    }
    assert seen <= whole
    assert len(seen) >= 3


def _commit_three(folder: Folder) -> None:
    for name in ("1", "2", "3"):
        commit_rows(folder, DAY, of_builds(name, f"{name}b"))


def test_a_commit_takes_effect_after_every_one_of_its_date(folder: Folder, reader: Reader) -> None:
    """Also where an earlier one was made by a clock that was ahead: here two seconds."""
    ahead = commit_rows(folder, DAY, of_builds("ahead"))
    future_ms = int((time.time() + 2) * 1000)
    (record,) = commits(folder)
    folder.create(
        lambda: f"{COMMITS}/2025-11-20_{future_ms}_{ahead.run_id}.json", folder.read(record.path)
    )

    later = commit_rows(folder, DAY, of_builds("later"))
    effective = [(c.effective_at_ms, c.run_id) for c in commits(folder)]
    assert effective[1:] == [(future_ms, ahead.run_id), (future_ms + 1, later.run_id)]
    assert reader.arns() == ["later"]


def test_a_record_that_is_not_in_effect_yet_shows_nothing(folder: Folder, reader: Reader) -> None:
    commit_rows(folder, DAY, of_builds("now"))
    run, manifest = write_run(folder, DAY, of_builds("soon"))
    soon_ms = int((time.time() + 3600) * 1000)
    folder.create(lambda: f"{COMMITS}/2025-11-20_{soon_ms}_{run.run_id}.json", b"{}")
    assert reader.arns() == ["now"]
    assert len(manifest) == 6


def test_leftovers_are_not_read(folder: Folder, reader: Reader) -> None:
    """An unfinished file, a killed run's file and a foreign folder beside a table's are nothing."""
    run = commit_rows(folder, DAY, of_builds("a"))
    write_run(folder, DAY, of_builds("killed"))
    part = next(folder.files(f"image_builds/snapshot_date=2025-11-20/run_id={run.run_id}"))
    content = folder.read(part.path)
    folder.path(f"{part.path}.tmp-1a2b3c4d").write_bytes(content[: len(content) // 2])
    for stray in ("image_builds/notes/old", "image_builds/snapshot_date=new/run_id=x"):
        folder.path(stray).mkdir(parents=True)
    assert reader.arns() == ["a"]


def test_a_lake_may_have_any_name(tmp_path: Path) -> None:
    """Written, committed, published and read, also from a warehouse of such a name."""
    name = " ".join(ODD_NAMES)
    folder = open_folder(str(tmp_path / name))
    commit_rows(folder, DAY, of_builds("a"))
    reader = Reader(folder, tmp_path / f"{name}.duckdb")
    assert reader.arns() == ["a"]
    assert reader.arns("current_amis") == ["a"]
    assert reader.rows("select lake from warehouse_info") == [(str(tmp_path / name),)]
    reader.connection.close()


def test_a_filter_on_the_date_reads_only_that_dates_files(folder: Folder, reader: Reader) -> None:
    """The cost of asking for one day does not grow with the days that the lake holds."""
    for day in (DAY, NEXT_DAY):
        commit_rows(folder, day, of_builds("a"))
    plan = reader.rows(
        "explain analyze select arn from image_builds where snapshot_date = date '2025-11-20'"
    )[0][1]
    assert "Total Files Read: 1" in plan
    assert "Total Files Read: 3" not in plan
