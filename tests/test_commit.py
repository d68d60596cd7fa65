"""A commit shows all tables of a run at one instant, and the newest one of a date shows."""

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lake.commit import CommitError, commit, publish_record
from lake.folder import Folder
from lake.location import open_folder
from lake.records import COMMITS, commits, newest_commit, newest_content
from lake.run import Run
from lake.warehouse import connect, publish
from tests.test_storage import ODD_NAMES
from tests.test_writer import DAY, RUN_ID, Rows, commit_rows, write_run

NEXT_DAY = date(2025, 11, 21)
FACTS = {"status": "complete", "is_demo": False}


def of_builds(*arns: str) -> Rows:
    """A run with these builds, one AMI each, and its rows of coverage."""
    target = {"account_id": "111111111111", "region": "us-east-1"}
    return {
        "image_builds": [{**target, "arn": arn} for arn in arns],
        "image_amis": [{**target, "image_arn": arn, "position": 0} for arn in arns],
        "snapshot_targets": [
            {
                **target,
                "status": "complete",
                "coverage": "whole",
                "builds": len(arns),
                "request": "{}",
            }
        ],
        "snapshots": [{"status": "complete", "image_builds_count": len(arns)}],
    }


class Reader:
    """A reader of a lake's warehouse."""

    def __init__(self, folder: Folder, warehouse: Path) -> None:
        publish(folder, warehouse)
        self.connection = connect(warehouse)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def arns(self, view: str = "image_builds") -> list[str]:
        column = "image_arn" if "amis" in view else "arn"
        return [arn for (arn,) in self.rows(f"select {column} from {view} order by all")]  # noqa: S608 - the tests' own words

    def counts(self) -> dict[str, int]:
        return {
            name: self.rows(f"select count(*) from {name}")[0][0]  # noqa: S608 - the tests' own words
            for name in ("image_builds", "image_amis", "snapshot_targets", "snapshots")
        }


@pytest.fixture
def reader(folder: Folder, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(folder, tmp_path / "imagelake.duckdb")
    yield reader
    reader.connection.close()


def test_an_uncommitted_run_is_invisible(folder: Folder, reader: Reader) -> None:
    run, manifest = write_run(folder, DAY, of_builds("a"))
    assert reader.counts() == dict.fromkeys(reader.counts(), 0)
    assert reader.rows("from visible_runs") == []

    record = commit(folder, run, manifest, FACTS)
    assert reader.counts() == dict.fromkeys(reader.counts(), 1)
    effective_at = datetime.fromtimestamp(record.effective_at_ms / 1000, UTC)
    assert reader.rows("from visible_runs") == [(DAY, run.run_id, effective_at)]


def test_the_record_says_what_was_committed(folder: Folder) -> None:
    run, manifest = write_run(folder, DAY, of_builds("a", "b"))
    record = commit(folder, run, manifest, FACTS)
    content = json.loads(folder.read(record.path))
    (file,) = manifest["image_builds"]
    assert content["tables"]["image_builds"] == {
        "row_count": 2,
        "files": [
            {
                "path": file.path,
                "row_count": 2,
                "size_bytes": file.size_bytes,
                "sha256": sha256(folder.read(file.path)).hexdigest(),
            }
        ],
    }
    current = content.pop("current")
    assert {name: entry["row_count"] for name, entry in current.items()} == {
        "image_builds": 2,
        "image_amis": 2,
        "image_containers": 0,
        "image_region_failures": 0,
        "snapshot_targets": 1,
        "target_captures": 1,
    }
    del content["tables"]
    assert content == {
        "run_id": run.run_id,
        "snapshot_date": "2025-11-20",
        "schema_version": 2,
        "status": "complete",
        "is_demo": False,
    }
    assert newest_content(folder) == json.loads(folder.read(record.path))


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


def test_a_run_written_to_follow_another_than_the_newest_is_refused(
    folder: Folder, reader: Reader
) -> None:
    """It could not have kept the targets of the run that was committed meanwhile."""
    first = commit_rows(folder, DAY, of_builds("first"))
    run, manifest = write_run(folder, DAY, of_builds("overlapping"))
    second = commit_rows(folder, DAY, of_builds("second"))
    with pytest.raises(CommitError, match=f"run {second.run_id} of .* was committed meanwhile"):
        commit(folder, run, manifest, {}, after=first.run_id)
    assert reader.arns() == ["second"]
    commit(folder, run, manifest, {}, after=second.run_id)
    assert reader.arns() == ["overlapping"]


def test_racing_commits_each_get_a_record_of_their_own(folder: Folder) -> None:
    """Where another took the name first, the next instant is tried; none is overwritten."""
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda n: publish_record(folder, DAY, RUN_ID, {"n": n}), range(16)))
    instants = [record.effective_at_ms for record in records]
    assert len(set(instants)) == 16
    assert sorted(c.effective_at_ms for c in commits(folder)) == sorted(instants)
    assert [json.loads(folder.read(record.path))["n"] for record in records] == list(range(16))


@pytest.mark.parametrize("change", ["missing", "short", "foreign"])
def test_files_that_are_not_as_written_refuse_the_commit(
    folder: Folder, reader: Reader, change: str
) -> None:
    """A missing, a cut off and an unknown file each keep the run unseen."""
    run, manifest = write_run(folder, DAY, of_builds("a"))
    path = folder.path(manifest["image_amis"][0].path)
    if change == "missing":
        path.unlink()
    elif change == "short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.with_name("part-00001.parquet").write_bytes(path.read_bytes())
    with pytest.raises(CommitError, match=rf"image_amis/.*{run.run_id}: expected the files"):
        commit(folder, run, manifest, FACTS)
    assert list(commits(folder)) == []
    assert reader.arns() == []


def test_a_run_that_clean_up_may_have_touched_is_refused(folder: Folder) -> None:
    old = Run.begin(datetime.now(UTC) - timedelta(hours=13), DAY)
    with pytest.raises(CommitError, match="take a new snapshot"):
        commit(folder, old, {}, FACTS)


FOREIGN_NAMES = (
    "notes.txt",
    "notes.json",
    "2025-11-20_1.json",
    "2025-11-20_1_.json",
    "2025-11-20_1_run.json",
    f"2025-11-20_x_{RUN_ID}.json",
    f"2025-11-20_1x_{RUN_ID}.json",
    f"2025-11-20_-1_{RUN_ID}.json",
    f"2025-11-20_1_{RUN_ID}_{RUN_ID}_{RUN_ID}.json",
    f"2025-11-20_1_{RUN_ID} (1).json",
    f"2025-13-45_1_{RUN_ID}.json",
    f"2025-02-29_1_{RUN_ID}.json",
    f"1999-12-31_1_{RUN_ID}.json",
    f"2025-11-20_{'9' * 30}_{RUN_ID}.json",
    f"20251120_1_{RUN_ID}.json",
    f"old/2025-11-20_1_{RUN_ID}.json",
    f".2025-11-20_1_{RUN_ID}.json",
    f"2025-11-20_1_{RUN_ID}.json.tmp-1a2b3c4d",
)


def test_foreign_names_among_the_records_are_ignored(folder: Folder, reader: Reader) -> None:
    """Neither the views nor a later run stumble over them."""
    for name in FOREIGN_NAMES:
        path = folder.path(f"{COMMITS}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("foreign")
    assert list(commits(folder)) == []
    assert newest_content(folder) is None
    assert reader.rows("from visible_runs") == []
    run = commit_rows(folder, DAY, of_builds("a"))
    assert [record.run_id for record in commits(folder)] == [run.run_id]
    assert reader.arns() == ["a"]


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


def test_a_damaged_record_is_named(folder: Folder) -> None:
    folder.create(lambda: f"{COMMITS}/2025-11-20_1_{RUN_ID}.json", b"{")
    with pytest.raises(Exception, match=rf"2025-11-20_1_{RUN_ID}\.json is no commit record"):
        newest_content(folder)


def test_a_filter_on_the_date_reads_only_that_dates_files(folder: Folder, reader: Reader) -> None:
    """The cost of asking for one day does not grow with the days that the lake holds."""
    for day in (DAY, NEXT_DAY):
        commit_rows(folder, day, of_builds("a"))
    plan = reader.rows(
        "explain analyze select arn from image_builds where snapshot_date = date '2025-11-20'"
    )[0][1]
    assert "Total Files Read: 1" in plan
    assert "Total Files Read: 3" not in plan
