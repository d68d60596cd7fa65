"""Tables derived again from the raw pages that the lake keeps, committed like any run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from extract.flatten import Tables, flatten
from extract.landing import LandedPage, landed_pages
from flows.writing import CHECKED, gather_arns, landed_rows, snapshot_table
from lake.carry import (
    EarlierRun,
    TargetKey,
    raw_runs_fact,
    rows_of,
    shown_run,
    without_builds,
)
from lake.checks import Context, require_right
from lake.commit import CommitError, commit
from lake.records import Commit, newest_commit
from lake.run import Run, raw_folder
from lake.storage import Lake
from lake.writer import SnapshotWriter
from schemas.snapshots import NONE
from schemas.tables import TABLES

MOST_NAMED: Final = 3
"""At most so many targets whose pages are gone are named."""


@dataclass(frozen=True)
class Rebuilt:
    """A rebuilt date: its new commit, and how many builds it shows."""

    commit: Commit
    builds: int
    warnings: tuple[str, ...]


def rebuild(lake: Lake, snapshot_date: date) -> Rebuilt:
    """Derives the date's tables again from the raw pages of the run that shows.

    The rows are the same where the schema is; a column that has come since gets its values from the
    pages. What the run covered is kept. Raises CommitError where the date has no run, where its
    pages are gone, or where another run is committed meanwhile; the tables then stand as they were.
    """
    record = newest_commit(lake, snapshot_date)
    if record is None:
        raise CommitError(f"{snapshot_date}: the lake has no snapshot of it to rebuild")
    shown = shown_run(lake, record)
    run = Run.begin(datetime.now(UTC), snapshot_date)
    builds: Counter[TargetKey] = Counter()
    with ExitStack() as opened, SnapshotWriter(lake, run) as writer:
        pages = _pages(lake, snapshot_date, shown, opened)
        for tables in _tables(shown, pages):
            _count(tables["image_builds"], builds)
            writer.append(tables)
        _require_all(snapshot_date, shown, builds)
        writer.append({"snapshot_targets": _rows(lake, shown, "snapshot_targets")})
        context = Context(landed_rows(builds))
        warnings = require_right({table: writer.finish(table) for table in CHECKED}, context)
        (row,) = _rows(lake, shown, "snapshots").to_pylist()
        writer.append({"snapshots": snapshot_table(row, writer, warnings)})
        manifest = writer.publish()
    made = commit(lake, run, manifest, _facts(shown), after=shown.run_id)
    return Rebuilt(made, builds.total(), tuple(warnings))


def _pages(
    lake: Lake, snapshot_date: date, shown: EarlierRun, opened: ExitStack
) -> dict[str, dict[TargetKey, list[LandedPage]]]:
    """By run and target, the raw pages that the shown rows came from."""
    runs = {run for row in shown.targets.values() for run in row["raw_runs"]}
    pages: dict[str, dict[TargetKey, list[LandedPage]]] = {}
    for run in sorted(runs):
        directory: Path = opened.enter_context(lake.fetched(raw_folder(snapshot_date, run)))
        pages[run] = defaultdict(list)
        for page in landed_pages(directory):
            pages[run][page.account_id, page.region].append(page)
    gone = [
        key
        for key, row in shown.targets.items()
        if row["coverage"] != NONE and not any(pages[run][key] for run in row["raw_runs"])
    ]
    if gone:
        raise CommitError(
            f"{snapshot_date}: the raw pages of {_named(gone)} are gone, and only they could tell its "
            "rows anew; its tables stand as they are"
        )
    return pages


def _tables(
    shown: EarlierRun, pages: Mapping[str, Mapping[TargetKey, list[LandedPage]]]
) -> Iterator[Tables]:
    """The rows of each target: those of its first run, then of the next ones what the first lacks."""
    known: dict[TargetKey, set[str]] = {
        key: set() for key, row in shown.targets.items() if len(row["raw_runs"]) > 1
    }
    longest = max((len(row["raw_runs"]) for row in shown.targets.values()), default=0)
    for place in range(longest):
        before = {key: set(arns) for key, arns in known.items()}
        of_place = [
            page
            for key, row in shown.targets.items()
            if row["coverage"] != NONE and place < len(row["raw_runs"])
            for page in pages[row["raw_runs"][place]][key]
        ]
        for tables in flatten(of_place):
            kept = {name: without_builds(name, rows, before) for name, rows in tables.items()}
            if known:
                gather_arns(kept["image_builds"], known)
            yield kept


def _count(builds: pa.Table, counts: Counter[TargetKey]) -> None:
    groups = builds.group_by(["account_id", "region"]).aggregate([([], "count_all")])
    for row in groups.to_pylist():
        counts[row["account_id"], row["region"]] += row["count_all"]


def _require_all(snapshot_date: date, shown: EarlierRun, builds: Counter[TargetKey]) -> None:
    differing = [key for key, row in shown.targets.items() if row["builds"] != builds[key]]
    if differing:
        found = builds[differing[0]]
        raise CommitError(
            f"{snapshot_date}: raw pages of {_named(differing)} are gone: they give {found:,} builds, "
            f"where {shown.targets[differing[0]]['builds']:,} are shown; its tables stand as they are"
        )


def _named(keys: list[TargetKey]) -> str:
    named = ", ".join("/".join(key) for key in keys[:MOST_NAMED])
    return named if len(keys) <= MOST_NAMED else f"{named} and {len(keys) - MOST_NAMED:,} more"


def _rows(lake: Lake, shown: EarlierRun, table: str) -> pa.Table:
    """The shown run's rows of a small table, with today's columns."""
    rows = list(rows_of(lake, shown.files[table]))
    return pa.Table.from_pylist(rows, schema=TABLES[table].arrow_schema)


def _facts(shown: EarlierRun) -> dict[str, Any]:
    by_target = {key: row["raw_runs"] for key, row in shown.targets.items()}
    return {
        "status": shown.content["status"],
        "is_demo": shown.content["is_demo"],
        **raw_runs_fact(shown.content.get("raw_run", shown.run_id), by_target),
        "rebuilt_from": shown.run_id,
    }
