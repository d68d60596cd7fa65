"""A move of records that breaks off, or that two clean-ups make at once, loses none, restores none."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lake.archive
from lake.archive import archive_records
from lake.commit import ORPHAN_AGE
from lake.folder import Folder
from lake.maintain import maintain
from lake.records import COMMITS, OLDER, Commit, commits, read_encoded, runs_of
from lake.retention import Keep
from lake.storage import Lake, StorageError
from tests.archived import ALL, DAYS, KEEP, PLACES, folder, places, shown, written
from tests.committed import Reader, reader
from tests.maintained import HOUR, after, run_ids

__all__ = ["folder", "reader", "written"]  # fixtures are used by their names

pytestmark = pytest.mark.usefixtures("at_once")


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
