"""Old commit records move aside in two clean-ups, and every reader finds them all the while."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

import lake.archive
from lake.archive import archive_records
from lake.bucket import Bucket
from lake.commit import ORPHAN_AGE, publish_record, rollback
from lake.folder import Folder
from lake.lease import Lease
from lake.location import open_folder
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
from tests.test_bucket import bucket, put, store
from tests.test_commit import Reader, of_builds
from tests.test_maintain import HOUR, after, run_ids
from tests.test_writer import DAY, commit_rows

pytestmark = pytest.mark.usefixtures("at_once")

__all__ = ["bucket", "store"]  # fixtures are used by their names

DAYS = [DAY + timedelta(days=number) for number in range(4)]
KEEP = Keep(grace=timedelta(days=1000), compact=False)
PLACES = (COMMITS, OLDER)
VIEWS = ("visible_runs", "image_builds", "snapshots", "current_builds", "current_targets")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Four dates; the second has a run that was superseded."""
    made = open_folder(str(tmp_path_factory.mktemp("written") / "lake"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day in (*DAYS[:2], *DAYS[1:]):
            commit_rows(made, day, of_builds(f"{day}/{len(runs_of(made, day))}"))
    return made


@pytest.fixture
def folder(folder: Folder, written: Folder) -> Folder:
    """A copy of it, file by file with its times."""
    copytree(written.root, folder.root)
    return folder


@pytest.fixture
def reader(folder: Folder, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(folder, tmp_path / "imagelake.duckdb")
    yield reader
    reader.connection.close()


def places(target: Lake, folder: str) -> list[date]:
    """Of the records' files that lie in that folder, the dates in their names."""
    found = (file.path.removeprefix(f"{folder}/") for file in target.files(folder))
    return [date.fromisoformat(name[:10]) for name in found if "/" not in name]


def shown(reader: Reader) -> dict[str, list[tuple[Any, ...]]]:
    return {view: reader.rows(f"from {view} order by all") for view in VIEWS}


def written_at(folder: Folder, instant: datetime) -> None:
    """Has the second files have been written at the instant."""
    for file in folder.files(OLDER):
        os.utime(folder.path(file.path), (instant.timestamp(), instant.timestamp()))


def move(target: Lake) -> None:
    """Moves all records that can be: two clean-ups."""
    for days in (2, 4):
        maintain(target, KEEP, after(days * 24 * HOUR))


ALL = [DAYS[0], DAYS[1], DAYS[1], DAYS[2], DAYS[3]]


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
    ahead = Commit(DAYS[3], int((time.time() + 3 * 86_400) * 1000), "run", "state")
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
    assert verify(folder).file_count == verified.file_count == 33
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
    gone = Commit(DAYS[0], 1, "run")
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


@pytest.mark.slow
@pytest.mark.parametrize("are_moved", [False, True], ids=["copied", "moved"])
@pytest.mark.parametrize("step", range(5))
def test_a_record_is_dropped_by_all_its_names_or_stays(
    folder: Folder, reader: Reader, monkeypatch: pytest.MonkeyPatch, step: int, are_moved: bool
) -> None:
    """Wherever a clean-up broke off: the date shows what it showed, and the next one ends it."""
    maintain(folder, KEEP, after(48 * HOUR))
    if are_moved:
        maintain(folder, KEEP, after(96 * HOUR))
    before = shown(reader)
    newer, old = runs_of(folder, DAYS[1])
    with monkeypatch.context() as broken:
        break_after(step, "unlink", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            maintain(folder, Keep(compact=False), after(8 * 24 * HOUR))
    assert shown(reader) == before
    done = maintain(folder, Keep(compact=False), after(8 * 24 * HOUR))
    reasons = {"superseded", "no commit names it"}
    assert {r.reason for r in done[1:]} <= {"left unfinished", "between runs of which one is gone"}
    assert done[0].reason in reasons
    assert run_ids(done, done[0].reason) == [old.run_id]
    assert runs_of(folder, DAYS[1]) == [newer]
    assert not any(old.run_id in file.path for file in folder.files(""))
    assert shown(reader) == before


@pytest.mark.slow
@pytest.mark.parametrize("call", ["link", "unlink", "write_bytes"])
@pytest.mark.parametrize("step", range(5))
def test_a_move_that_broke_off_is_finished_by_the_next(
    folder: Folder, reader: Reader, monkeypatch: pytest.MonkeyPatch, call: str, step: int
) -> None:
    """At whatever step of either clean-up: every record is found once, and no date is gone."""
    maintain(folder, KEEP, after(0 * HOUR))
    before = shown(reader)
    for days in (2, 4, 2, 4):
        with monkeypatch.context() as broken:
            break_after(step, call, broken)
            try:
                archive_records(folder, after(days * 24 * HOUR), ORPHAN_AGE, lambda: None)
            except OSError as error:
                assert str(error) == "the disk is gone"  # noqa: PT017 - some steps are one too many
        assert shown(reader) == before
        assert len(list(commits(folder))) == len(ALL)
    for days in (6, 8):
        archive_records(folder, after(days * 24 * HOUR), ORPHAN_AGE, lambda: None)
    assert (places(folder, COMMITS), places(folder, OLDER)) == (ALL[-1:], ALL[:-1])
    assert shown(reader) == before


def break_after(calls: int, name: str, patch: pytest.MonkeyPatch) -> None:
    """Has the disk fail at the call of that name that comes after so many."""
    left = iter(range(calls))
    owner: Any = os if name == "link" else Path
    call = getattr(owner, name)

    def failing(*given: Any, **named: Any) -> Any:
        if next(left, None) is None:
            raise OSError("the disk is gone")
        return call(*given, **named)

    patch.setattr(owner, name, failing)


# Two clean-ups at once, of which one lost its lock


def dropping(target: Lake, record: Commit, at: str) -> Callable[..., Any]:
    """`read_encoded`, with another process that drops the record before or after it."""

    def drop() -> None:
        for place in PLACES:
            target.remove([record.within(place).path])

    def read(lake_read: Lake, wanted: Commit) -> bytes:
        if wanted == record and at == "before":
            drop()
        content = read_encoded(lake_read, wanted)
        if wanted == record and at == "after":
            drop()
        return content

    return read


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_record_that_another_dropped_meanwhile_does_not_come_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    (record,) = runs_of(folder, DAYS[0])
    monkeypatch.setattr(lake.archive, "read_encoded", dropping(folder, record, at))
    archive_records(folder, after(25 * HOUR), ORPHAN_AGE, lambda: None)
    assert runs_of(folder, DAYS[0]) == []
    assert places(folder, OLDER) == ALL[1:-1]


def test_a_dropped_record_does_not_come_back_though_the_lock_is_lost_thereupon(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process finds out by its next step: what it wrote by then is taken back all the same."""
    records = set(commits(folder))
    drop = {record: dropping(folder, record, "after") for record in records}
    read: list[Commit] = []

    def read_one(target: Lake, wanted: Commit) -> bytes:
        read.append(wanted)
        content: bytes = drop[wanted](target, wanted)
        return content

    def require_held() -> None:
        if len(read) > 1:
            raise StorageError("the lock was lost")

    monkeypatch.setattr(lake.archive, "read_encoded", read_one)
    with pytest.raises(StorageError, match="the lock was lost"):
        archive_records(folder, after(25 * HOUR), ORPHAN_AGE, require_held)
    assert set(commits(folder)) == records - {*read}
    assert len(read) == 2


def test_another_that_copied_the_same_record_is_no_trouble(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both went on at the same time: the record is there, and is not taken back."""

    def read(target: Lake, wanted: Commit) -> bytes:
        content = read_encoded(target, wanted)
        target.create(lambda: wanted.within(OLDER).path, content)
        target.remove([wanted.within(COMMITS).path])
        return content

    monkeypatch.setattr(lake.archive, "read_encoded", read)
    archive_records(folder, after(25 * HOUR), ORPHAN_AGE, lambda: None)
    assert (places(folder, COMMITS), places(folder, OLDER)) == (ALL[-1:], ALL[:-1])


# On S3


def publish_four(target: Bucket) -> None:
    for number, day in enumerate(DAYS):
        publish_record(target, day, f"run-{number}", {"run_id": f"run-{number}"}, state="state")


@pytest.mark.slow
def test_records_move_on_s3_and_views_show_them(bucket: Bucket, tmp_path: Path) -> None:
    """Where no older folder is, where a record is in both, and where it is in that one alone."""
    publish_four(bucket)
    time.sleep(1.1)
    publish(bucket, tmp_path / "imagelake.duckdb")
    expected = [(day, f"run-{number}") for number, day in enumerate(DAYS)]
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
