"""Each target's last complete capture, found by walking back over the dates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

from lake.carry import TargetKey, targets_of
from lake.records import manifest_of, read_record, shown_commits
from lake.storage import Lake
from schemas.snapshots import WHOLE

MOST_DATES_WITHOUT: Final = 30
"""A target that this many dates in a row do not mention is taken for a new one."""


def last_whole_captures(
    lake: Lake, until: date, targets: Iterable[TargetKey]
) -> Iterator[dict[str, Any]]:
    """Rows with account_id, region, snapshot_date and builds of the targets' last whole captures.

    Those of `until` itself come before those of earlier dates. Usually one small file is read.
    """
    missed = dict.fromkeys(targets, 0)
    shown = [record for day, record in shown_commits(lake).items() if day <= until]
    for record in reversed(shown):
        if not missed:
            return
        files = manifest_of(read_record(lake, record))["snapshot_targets"]
        try:
            of_date = targets_of(lake, [file.path for file in files])
        except FileNotFoundError:  # damaged, as `status --verify` says: the dates before it tell
            continue
        for key in list(missed):
            row = of_date.get(key)
            missed[key] = 0 if row else missed[key] + 1
            is_found = row is not None and row["coverage"] == WHOLE
            if is_found or missed[key] >= MOST_DATES_WITHOUT:
                del missed[key]
            if row is not None and is_found:
                yield {**row, "snapshot_date": record.snapshot_date}
