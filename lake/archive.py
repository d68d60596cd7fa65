"""Old commit records, moved out of the way of those who look for the newest.

A record is first written into the older folder too; a clean-up that comes an age later removes it
from where it was published. So whoever lists the two folders, in whatever order and for however long
within that age, finds it in one of them. The newest record in effect is never moved: the views of
the current rows look for it where it was published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from lake.records import COMMITS, OLDER, Commit, read_encoded, record_files
from lake.storage import Lake, UnknownOutcomeError


def archive_records(
    lake: Lake, now: datetime, age: timedelta, require_held: Callable[[], None]
) -> None:
    """Takes each record that took effect longer than `age` ago one step on, if there is one to take.

    Nobody else may remove records meanwhile; `require_held` raises where somebody might.
    """
    published: set[Commit] = set()
    copied: dict[Commit, float] = {}
    for record, file in record_files(lake):
        if record.folder == OLDER:
            copied[record] = file.modified_at
        else:
            published.add(record)
    until = now - age
    old = published & _old({*published, *copied}, now, until)
    moved = [record for record in old if copied.get(record, until.timestamp()) < until.timestamp()]
    require_held()
    lake.remove(record.path for record in moved)
    _copy(lake, old - copied.keys(), require_held)


def _old(records: Iterable[Commit], now: datetime, until: datetime) -> set[Commit]:
    """The records that took effect before `until`, without the newest that is in effect."""
    in_effect = [record for record in records if record.effective_at <= now]
    newest_ms = max((record.effective_at_ms for record in in_effect), default=0)
    return {r for r in in_effect if r.effective_at < until and r.effective_at_ms < newest_ms}


def _copy(lake: Lake, records: Iterable[Commit], require_held: Callable[[], None]) -> None:
    """Writes the records into the older folder, and takes back what is of a record that is gone.

    Otherwise a process that was suspended for so long that the lock is another's might bring back
    what that other has dropped.
    """
    written: set[Commit] = set()
    try:
        for record in sorted(records, key=lambda record: record.path):
            with suppress(FileNotFoundError, FileExistsError):  # dropped, or copied, meanwhile
                _copy_one(lake, record, require_held, written)
    finally:
        if written:
            there = {r for r, _ in record_files(lake) if r.folder == COMMITS}
            lake.remove(record.within(OLDER).path for record in written - there)


def _copy_one(
    lake: Lake, record: Commit, require_held: Callable[[], None], written: set[Commit]
) -> None:
    def name() -> str:
        require_held()
        return record.within(OLDER).path

    content = read_encoded(lake, record)
    with suppress(UnknownOutcomeError):  # if it was not written, the next clean-up does it
        lake.create(name, content)
    written.add(record)
