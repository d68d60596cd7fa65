"""The state of the current rows that the newest record names: its files, and whether they are there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from lake.carry import TargetKey, targets_of
from lake.records import Commit, commits, manifest_of, newest_first, read_record
from lake.run import state_folder, version_of
from lake.storage import Lake
from lake.timeline import Pair
from lake.writer import DataFile, Manifest
from schemas.captures import TARGET_CAPTURES
from schemas.snapshots import SNAPSHOT_TARGETS
from schemas.table import SCHEMA_VERSION
from schemas.tables import DATA_TABLES

TARGET_TABLES: Final = (SNAPSHOT_TARGETS, TARGET_CAPTURES)
"""What a state tells of targets, in a file each; of the data tables it has files of each run."""
STATE_TABLES: Final = (*DATA_TABLES, *TARGET_TABLES)
"""What a state of the current rows has files of."""

_Row = dict[str, Any]  # of snapshot_targets, with its snapshot_date and run_id


@dataclass(frozen=True)
class Current:
    """A state of the current rows: its id, its files, and what is compared that was not before."""

    state: str
    manifest: Manifest
    new_pairs: frozenset[Pair] = frozenset()


def has_state(lake: Lake) -> bool:
    """Whether the current rows can be read from files of their own: from the first commit on.

    Not where an older version made the newest commit, or the one that shows until that takes effect,
    or where somebody removed the files: the views then find the rows in the history.
    """
    return all(is_state_there(lake, record) for record in records_read(lake))


def records_read(lake: Lake) -> list[Commit]:
    """Whose state the views read: the newest record's, until it takes effect the one's before it."""
    ordered = newest_first(commits(lake))
    now_ms = time.time() * 1000
    in_effect = (record for record in ordered if record.effective_at_ms <= now_ms)
    return list(dict.fromkeys([*ordered[:1], *islice(in_effect, 1)]))


def is_state_there(lake: Lake, record: Commit) -> bool:
    """Whether the record names a state as today's version lays it, and all of its files are there."""
    state = state_of(lake, record)
    if state is None or TARGET_CAPTURES.name not in state.manifest:
        return False
    named = {file.path for files in state.manifest.values() for file in files}
    there = {
        file.path
        for table in STATE_TABLES
        for file in lake.files(state_folder(table.name, state.state))
    }
    return named <= there


def current_targets(lake: Lake, content: Mapping[str, Any]) -> list[_Row]:
    """The targets' captures of a record's current rows, as rows of snapshot_targets.

    Empty where the record names no current rows, or they cannot be read any more.
    """
    try:
        files = manifest_of(dict(content), "current").get(SNAPSHOT_TARGETS.name, ())
        return list(state_targets(lake, files).values())
    except FileNotFoundError:
        return []


def state_before(lake: Lake) -> Current | None:
    """The newest record's state; None where there is none."""
    newest = next(iter(newest_first(commits(lake))), None)
    return state_of(lake, newest) if newest else None


def state_of(lake: Lake, record: Commit) -> Current | None:
    """The state that the record names; None where it names none as today's version lays it."""
    if not record.state:
        return None
    manifest = manifest_of(read_record(lake, record), "current")
    versions = {version_of(file.path) for files in manifest.values() for file in files}
    of_runs = [f for table in DATA_TABLES for f in manifest.get(table.name, ())]
    is_of_today = versions == {SCHEMA_VERSION} and all("/run_id=" in f.path for f in of_runs)
    return Current(record.state, manifest) if is_of_today else None


@contextmanager
def unfinished_removed(lake: Lake, state: str) -> Iterator[None]:
    """Where writing the state fails, its files go: no record names them, and the disk may be full."""
    try:
        yield
    except (OSError, pa.ArrowException):
        for table in STATE_TABLES:
            with suppress(OSError):
                written = list(lake.files(state_folder(table.name, state)))
                lake.remove(file.path for file in written)
        raise


def state_targets(lake: Lake, files: Iterable[DataFile]) -> dict[TargetKey, _Row]:
    """The rows of snapshot_targets files of a state, by target."""
    return targets_of(lake, [file.path for file in files])
