"""What a lake holds: its data files and raw pages by run, listed before the records that name them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from lake.records import Commit, commits, newest_first
from lake.run import CHANGES, CURRENT, RAW, SCHEMA_RUN, began_at
from lake.storage import Lake, StoredFile
from schemas.tables import TABLES

RunKey = tuple[date, str]
"""A run's date and id."""
ChangesKey = tuple[date, str, str]
"""A run's date and id, and the id of the run that it is compared with."""

_PLACE: Final = re.compile(
    r"[^/]+/snapshot_date=(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})/run_id=(?P<run>[^/]+)/[^/]+"
)

_CHANGES: Final = re.compile(
    r"[^/]+/snapshot_date=(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})/run_id=(?P<run>[^/]+)"
    r"/since-(?P<previous>[^/.]+)[^/]*"
)
_STATE: Final = re.compile(r"[^/]+/[^/]+/state=([^/]+)/(?:snapshot_date=[^/]+/run_id=[^/]+/)?[^/]+")


@dataclass
class RunFiles:
    """A run's files of one kind."""

    files: list[StoredFile] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Their paths within the lake."""
        return [file.path for file in self.files]

    @property
    def size_bytes(self) -> int:
        """Their size together."""
        return sum(file.size_bytes for file in self.files)

    def last_touched(self, run_id: str) -> datetime:
        """When the run began or its newest file was written, whichever is later."""
        newest = max(file.modified_at for file in self.files)
        return max(datetime.fromtimestamp(newest, UTC), began_at(run_id) or _NEVER)


@dataclass
class Inventory:
    """Data files and raw pages by run, the current rows' files by state, the records by date.

    The records of a date have the newest first. `changes` are the files of what differs between two
    runs, by the later one's date and id and the earlier one's id.
    """

    data: dict[RunKey, RunFiles]
    raw: dict[RunKey, RunFiles]
    states: dict[str, RunFiles]
    records: dict[date, list[Commit]]
    changes: dict[ChangesKey, StoredFile]


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def take_inventory(lake: Lake) -> Inventory:
    """Lists the data first, then the records: what a record listed then names was there before.

    Only what imagelake itself lays down is listed: a foreign file is nobody's to remove.
    """
    data = _by_run(file for table in TABLES for file in lake.files(table))
    raw = _by_run(lake.files(RAW))
    states: dict[str, RunFiles] = defaultdict(RunFiles)
    for file in lake.files(CURRENT):
        if (match := _STATE.fullmatch(file.path)) and began_at(match[1]):
            states[match[1]].files.append(file)
    changes = {
        (date.fromisoformat(match["date"]), match["run"], match["previous"]): file
        for file in lake.files(CHANGES)
        if (match := _CHANGES.fullmatch(file.path)) and began_at(match["run"])
    }
    return Inventory(data, raw, dict(states), records_by_date(lake), changes)


def records_by_date(lake: Lake) -> dict[date, list[Commit]]:
    """The commit records of each date, the newest first."""
    records: dict[date, list[Commit]] = defaultdict(list)
    for record in newest_first(commits(lake)):
        records[record.snapshot_date].append(record)
    return dict(records)


def _by_run(files: Iterable[StoredFile]) -> dict[RunKey, RunFiles]:
    runs: dict[RunKey, RunFiles] = defaultdict(RunFiles)
    for file in files:
        match = _PLACE.fullmatch(file.path)
        if match and match["run"] != SCHEMA_RUN and began_at(match["run"]):
            runs[date.fromisoformat(match["date"]), match["run"]].files.append(file)
    return dict(runs)
