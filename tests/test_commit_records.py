"""A commit's record says what was committed; what is not as it was written gets none."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from lake.commit import CommitError, commit, publish_record
from lake.folder import Folder
from lake.records import COMMITS, commits, newest_content
from lake.run import Run
from tests.committed import FACTS, Reader, of_builds, reader
from tests.test_writer import DAY, RUN_ID, commit_rows, write_run

__all__ = ["reader"]  # a fixture is used by its name


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


def test_a_damaged_record_is_named(folder: Folder) -> None:
    folder.create(lambda: f"{COMMITS}/2025-11-20_1_{RUN_ID}.json", b"{")
    with pytest.raises(Exception, match=rf"2025-11-20_1_{RUN_ID}\.json is no commit record"):
        newest_content(folder)
