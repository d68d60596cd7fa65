"""What a tracked run tells Prefect's server besides its states: progress, artifacts, events, assets.

It is told as well as may be: what cannot be told is a line of warning, and never the run's end. Only
the flow imports this, since it imports Prefect.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, date, datetime
from threading import Event, Lock, Thread
from typing import Final, Self, cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.assets import Asset, add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from extract.targets import Target, TargetOutcome
from flows import pipeline
from flows.alerts import alerts_of
from flows.digest import Link, digest, lake_link, report_link, target_rows
from flows.markdown import escaped
from flows.parameters import SnapshotParameters
from flows.pipeline import Summary
from flows.planning import Plan, lake_of
from flows.summary import sentence
from flows.terminal import counted, printable, printable_errors
from flows.watch import Watch
from flows.writing import Written
from lake.effects import Before, Effects, effects, shown_before
from lake.records import Commit
from schemas.tables import TABLES

PROGRESS_SECONDS: Final = 3.0
"""The progress artifact is updated this often."""
LAST_SECONDS: Final = 10.0
"""So long a run waits at its end for the progress artifact's last update."""
RETRIES: Final = 3
"""So often a call is tried again, where Prefect's own number may be for minutes."""

Say = Callable[[str], object]


@contextmanager
def attempt(what: str, warn: Say) -> Iterator[None]:
    """What fails in it is a line of warning."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: RETRIES}):
        try:
            yield
        except Exception as error:
            words = str(error).partition("\n")[0] or type(error).__name__
            warn(f"{what}: {printable(words)}")


class Progress:
    """Tells another watch what it is told, and the server which part of the targets has ended.

    The server is told by a thread of its own: one that is slow or away holds up no listing.
    """

    def __init__(self, watch: Watch, warn: Say) -> None:
        self._watch = watch
        self._warn = warn
        self._has_warned = False
        self._count = 0
        self._ended = 0
        self._lock = Lock()
        self._is_over = Event()
        self._thread: Thread | None = None
        self._artifact: UUID | None = None

    def planned(self, targets: Sequence[Target]) -> None:
        """Begins to tell."""
        self._watch.planned(targets)
        self._count = len(targets)
        run = copy_context().run  # the artifact becomes the flow run's
        self._thread = Thread(target=run, args=(self._tell,), name="progress", daemon=True)
        self._thread.start()

    def called(self, outcome: TargetOutcome) -> None:
        """Counts a target's end."""
        self._watch.called(outcome)
        if outcome.status:
            with self._lock:
                self._ended += 1

    def doing(self, stage: str) -> None:
        """Hands it on."""
        self._watch.doing(stage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)

    def _tell(self) -> None:
        told, is_last = -1, False
        while True:
            if told != self._ended:
                with attempt("the progress is not shown", self._warn_once):
                    told = self._ended
                    self._show(told)
            if is_last:
                return
            is_last = self._is_over.wait(PROGRESS_SECONDS)

    def _warn_once(self, line: str) -> None:
        if not self._has_warned:
            self._warn(line)
        self._has_warned = True

    def _show(self, ended: int) -> None:
        percent = 100.0 * ended / self._count
        words = f"{ended:,} of {counted(self._count, 'target')}"
        if self._artifact is None:
            made = create_progress_artifact(percent, "imagelake-progress", words)
            self._artifact = cast(UUID, made)  # not a coroutine: nothing runs a loop here
        else:
            update_progress_artifact(self._artifact, percent, words)


def look_before(parameters: SnapshotParameters, warn: Say) -> Before | None:
    """What shows before the run; None where that cannot be told."""
    with attempt("what the run changes of the golden AMIs will not be told", warn):
        return shown_before(parameters.warehouse, parameters.date or datetime.now(UTC).date())
    return None


def look_after(
    parameters: SnapshotParameters, summary: Summary, before: Before | None, warn: Say
) -> Effects | None:
    """What the run changed; None where that cannot be told.

    A warehouse that was not brought up to date is not asked: what it shows may be of days ago, and
    every target be stale in it that was read just now.
    """
    untold = "what the run changed is not told"
    if summary.warehouse_problem:
        warn(f"{untold}: the warehouse is not up to date")
        return None
    with attempt(untold, warn):
        asked = {(t.outcome.account_id, t.outcome.region) for t in summary.asked}
        day = date.fromisoformat(summary.snapshot_date)
        return effects(parameters.warehouse, day, before, asked)
    return None


def make_artifacts(
    parameters: SnapshotParameters, summary: Summary, effects: Effects | None, warn: Say
) -> None:
    """Makes the run's artifacts: its digest, the table of targets, links to the lake and the report."""
    lake = lake_of(parameters).uri
    with attempt("the run has not all its artifacts", warn):
        create_markdown_artifact(
            digest(summary, effects, lake, str(parameters.warehouse)),
            "imagelake-snapshot",
            escaped(sentence(summary, effects)),
        )
        rows = target_rows(summary)
        create_table_artifact(rows, "imagelake-targets", counted(len(summary.targets), "target"))
        for key, link in _links(parameters, summary, lake).items():
            create_link_artifact(link.url, link.text, key, link.description)


def send_events(
    parameters: SnapshotParameters, summary: Summary, effects: Effects | None, warn: Say
) -> None:
    """Emits the run's events; Prefect adds to each which flow run it is of."""
    with attempt("the run has not all its events", warn):
        for alert in alerts_of(summary, effects, lake_of(parameters).uri):
            emit_event(alert.event, alert.resource, related=alert.related, payload=alert.payload)


def _links(parameters: SnapshotParameters, summary: Summary, lake: str) -> dict[str, Link]:
    host = socket.gethostname()
    region = next((target.outcome.region for target in summary.asked), "")
    report = report_link(parameters.warehouse, host)
    return {
        "imagelake-lake": lake_link(lake, host, region, os.environ),
        **({"imagelake-report": report} if report else {}),
    }


def committing(
    parameters: SnapshotParameters, plain: Callable[..., Commit], warn: Say
) -> Callable[..., Commit]:
    """The task `commit` that materializes the lake's tables as assets; `plain` where it cannot."""
    lake = lake_of(parameters).uri
    keys = {name: asset_key(lake, name) for name in TABLES}

    @printable_errors()
    def commit(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
        committed = pipeline.commit_visibly(parameters, plan, written)
        for name, files in written.manifest.items():
            rows = sum(file.row_count for file in files)
            add_asset_metadata(keys[name], {"rows": rows, "run_id": plan.run.run_id})
        return committed

    with attempt("the tables are no assets", warn):
        assets = [Asset(key=key) for key in keys.values()]
        return materialize(*assets, by="imagelake", name="commit", cache_policy=NO_CACHE)(commit)
    return plain


def asset_key(lake: str, table: str) -> str:
    """The asset of one of a lake's tables: its folder's URI."""
    return f"{lake if '://' in lake else f'file://{lake}'}/{table}"
