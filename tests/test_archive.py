"""Old commit records move aside in two clean-ups, and every reader finds them all the while."""

import os
import time
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from pathlib import Path

import pytest

from lake.archive import archive_records
from lake.bucket import Bucket
from lake.commit import ORPHAN_AGE, publish_record, rollback
from lake.folder import Folder
from lake.lease import Lease
from lake.maintain import maintain
from lake.records import (
    COMMITS,
    OLDER,
    Commit,
    commits,
    read_encoded,
    read_record,
    runs_of,
    shown_commits,
)
from lake.retention import Keep
from lake.storage import Lake, StorageError, UnknownOutcomeError
from lake.verify import verify
from lake.warehouse import connect, publish, publish_pinned
from tests.archived import ALL, DAYS, KEEP, folder, places, shown, written
from tests.buckets import bucket, put, store
from tests.committed import Reader, of_builds, reader
from tests.maintained import HOUR, after, run_ids
from tests.test_writer import commit_rows

__all__ = ["bucket", "folder", "reader", "store", "written"]  # fixtures are used by their names

pytestmark = pytest.mark.usefixtures("at_once")

RUNS = [f"2025112{number}T020000000000Z-1a2b3c4d" for number in range(len(DAYS))]


def written_at(folder: Folder, instant: datetime) -> None:
    """Has the second files have been written at the instant."""
    for file in folder.files(OLDER):
        os.utime(folder.path(file.path), (instant.timestamp(), instant.timestamp()))


def move(target: Lake) -> None:
    """Moves all records that can be: two clean-ups."""
    for days in (2, 4):
        maintain(target, KEEP, after(days * 24 * HOUR))


def test_a_record_moves_in_two_clean_ups_a_day_apart(folder: Folder, reader: Reader) -> None:
    """Copied a day after its effect, and a day after that it loses its first name; the newest never.

    What shows is the same throughout, each date once; and no word of it is said: nothing goes.
    """
    before = shown(reader)
    old, newest = ALL[:-1], ALL[-1:]
    for hours, published, copied in (
        (23, ALL, []),
        (25, ALL, old),
        (48, ALL, old),
        (50, newest, old),
        (999, newest, old),
    ):
        done = maintain(folder, KEEP, after(hours * HOUR))
        assert {removal.reason for removal in done} <= {"current rows as they were"}
        assert (places(folder, COMMITS), places(folder, OLDER)) == (published, copied)
        assert shown(reader) == before
        assert len(list(commits(folder))) == len(ALL)
        if hours == 25:
            contents = {record: read_encoded(folder, record) for record in commits(folder)}
            written_at(folder, after(25 * HOUR))
    assert {record: read_encoded(folder, record) for record in commits(folder)} == contents
    assert len(contents) == len(ALL)


def test_a_dry_run_moves_nothing_and_tells_of_no_move(folder: Folder) -> None:
    first = maintain(folder, KEEP, after(25 * HOUR), is_dry=True)
    assert {removal.reason for removal in first} == {"current rows as they were"}
    assert places(folder, OLDER) == []


def test_a_record_that_is_to_take_effect_is_not_the_newest_in_effect(folder: Folder) -> None:
    """The one in effect until then stays beside it."""
    (showing,) = runs_of(folder, DAYS[3])
    ahead = Commit(DAYS[3], int((time.time() + 3 * 86_400) * 1000), RUNS[3], RUNS[3])
    folder.create(lambda: ahead.path, b"{}")
    archive_records(folder, after(50 * HOUR), ORPHAN_AGE, lambda: None)
    archive_records(folder, after(50 * HOUR), ORPHAN_AGE, lambda: None)
    assert places(folder, COMMITS) == [DAYS[3], DAYS[3]]
    assert {r for r in commits(folder) if r.folder == COMMITS} == {showing, ahead}


def test_a_moved_record_is_found_by_everything(
    folder: Folder, reader: Reader, tmp_path: Path
) -> None:
    """Views old and new, a pinned warehouse, verification, roll-back, the next run and retention."""
    before = shown(reader)
    publish_pinned(folder, tmp_path / "before.duckdb")
    verified = verify(folder)
    move(folder)
    assert places(folder, COMMITS) == [DAYS[3]]
    assert shown(reader) == before
    assert publish(folder, tmp_path / "imagelake.duckdb") is False
    assert publish_pinned(folder, tmp_path / "before.duckdb") is False
    assert verify(folder).file_count == verified.file_count == 31
    assert verify(folder).damaged == {}

    newer, older = runs_of(folder, DAYS[1])
    assert rollback(folder, DAYS[1], newer.run_id) == newer
    back = rollback(folder, DAYS[1], older.run_id)
    assert back.path.startswith(f"{COMMITS}/{DAYS[1]}_")
    assert back.effective_at > newer.effective_at
    assert (DAYS[1], older.run_id, back.effective_at) in shown(reader)["visible_runs"]
    (moved,) = runs_of(folder, DAYS[0])
    again = commit_rows(folder, DAYS[0], of_builds("again"))
    assert [record.run_id for record in runs_of(folder, DAYS[0])] == [again.run_id, moved.run_id]
    assert reader.arns()[-1] == "again"

    done = maintain(folder, Keep(), after(8 * 24 * HOUR))
    assert run_ids(done, "superseded") == sorted([moved.run_id, newer.run_id])
    assert {record.run_id for record in runs_of(folder, DAYS[1])} == {older.run_id}
    kept = maintain(folder, Keep(keep_days=1), after(1000 * 24 * HOUR))
    assert len(run_ids(kept, "its date is past retention")) == 2
    left = [(r.snapshot_date, r.run_id, r.effective_at) for r in shown_commits(folder).values()]
    assert [day for day, *_ in left] == [DAYS[0], DAYS[3]]  # the newest record, the newest capture
    assert shown(reader)["visible_runs"] == left


def test_a_record_that_moves_between_listing_and_reading_is_read(folder: Folder) -> None:
    found = list(commits(folder))
    expected = [read_record(folder, record) for record in found]
    move(folder)
    assert [read_record(folder, record) for record in found] == expected
    gone = Commit(DAYS[0], 1, RUNS[0])
    with pytest.raises(FileNotFoundError):
        read_record(folder, gone)


def test_a_foreign_file_beside_the_records_is_left_alone(folder: Folder, reader: Reader) -> None:
    """By no name of a record, or in another folder, it is neither moved nor read."""
    (record, *_) = runs_of(folder, DAYS[0])
    name = record.path.removeprefix(f"{COMMITS}/").replace(record.run_id, "other")
    foreign = [f"{COMMITS}/notes.json", f"{OLDER}/notes.json", f"{COMMITS}/mine/{name}"]
    for path in foreign:
        folder.path(path).parent.mkdir(exist_ok=True)
        folder.path(path).write_text("{}")
    before = shown(reader)
    move(folder)
    assert all(folder.path(path).exists() for path in foreign)
    assert shown(reader) == before
    assert len(list(commits(folder))) == len(ALL)


# On S3


def publish_four(target: Bucket) -> None:
    for day, run_id in zip(DAYS, RUNS, strict=True):
        publish_record(target, day, run_id, {"run_id": run_id}, state=run_id)


@pytest.mark.slow
def test_records_move_on_s3_and_views_show_them(bucket: Bucket, tmp_path: Path) -> None:
    """Where no older folder is, where a record is in both, and where it is in that one alone."""
    publish_four(bucket)
    time.sleep(1.1)
    publish(bucket, tmp_path / "imagelake.duckdb")
    expected = list(zip(DAYS, RUNS, strict=True))
    query = "select snapshot_date, run_id from visible_runs order by all"
    states = [(DAYS, []), (DAYS, DAYS[:-1]), (DAYS[-1:], DAYS[:-1])]
    with connect(tmp_path / "imagelake.duckdb") as connection:
        for days, (published, copied) in zip((0, 2, 4), states, strict=True):
            archive_records(bucket, after(days * 24 * HOUR), ORPHAN_AGE, lambda: None)
            assert (places(bucket, COMMITS), places(bucket, OLDER)) == (published, copied)
            assert connection.execute(query).fetchall() == expected
            assert [
                read_record(bucket, r)["run_id"] for r in sorted(commits(bucket), key=_day)
            ] == [run for _, run in expected]


def _day(record: Commit) -> date:
    return record.snapshot_date


def test_a_copy_of_unknown_outcome_is_for_the_next_time(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was written or not: the record is there, and is copied once."""
    publish_four(bucket)
    create = Bucket.create
    outcomes = iter([True, False])

    def lost(target: Bucket, path: Callable[[], str], content: bytes) -> None:
        if next(outcomes, True):
            create(target, path, content)
        raise UnknownOutcomeError("no answer")

    with monkeypatch.context() as broken:
        broken.setattr(Bucket, "create", lost)
        archive_records(bucket, after(48 * HOUR), ORPHAN_AGE, lambda: None)
    assert len(places(bucket, OLDER)) == 2
    archive_records(bucket, after(48 * HOUR), ORPHAN_AGE, lambda: None)
    assert (places(bucket, COMMITS), places(bucket, OLDER)) == ([DAYS[1], DAYS[3]], DAYS[:-1])


def test_a_clean_up_that_lost_its_lease_moves_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another has taken it over: what that one does is not known."""
    publish_four(bucket)
    monkeypatch.setattr("lake.bucket.Lease", partial(Lease, lease_seconds=0.6))

    def lose(words: str) -> None:
        if "records" in words:
            put(bucket, "_locks/maintain", b"another's")
            time.sleep(0.7)

    with pytest.raises(StorageError, match="was lost to a pause; run again"):
        maintain(bucket, KEEP, after(48 * HOUR), say=lose)
    assert (places(bucket, COMMITS), places(bucket, OLDER)) == (DAYS, [])
