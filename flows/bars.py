"""What a run shows of itself on a terminal, in a module of its own: rich takes time to import."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from extract.targets import Target, TargetOutcome
from flows.watch import describe
from schemas.snapshots import COMPLETE

_SHOWN_TARGETS: Final = 12
"""This many targets under way are shown at a time."""


class Bars:
    """Live bars on a terminal: the targets under way with their pages and builds."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._lock = Lock()
        self._overall = self._progress.add_task("planning", total=None)
        self._under_way: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, targets: Sequence[Target]) -> None:
        """Starts the overall bar."""
        self._progress.update(self._overall, description="targets read", total=len(targets))

    def called(self, outcome: TargetOutcome) -> None:
        """Moves the target's line; a target that did not complete leaves one behind."""
        name = str(outcome)
        with self._lock:
            if outcome.status:
                self._end(name, outcome)
            elif name in self._under_way:
                self._progress.update(self._under_way[name], description=describe(outcome))
            elif len(self._under_way) < _SHOWN_TARGETS:
                self._under_way[name] = self._progress.add_task(describe(outcome), total=None)

    def doing(self, stage: str) -> None:
        """Names the stage beside the overall bar."""
        self._progress.update(self._overall, description=stage)

    def _end(self, name: str, outcome: TargetOutcome) -> None:
        if name in self._under_way:
            self._progress.remove_task(self._under_way.pop(name))
        if outcome.status != COMPLETE:
            self._progress.console.print(describe(outcome), markup=False, highlight=False)
        self._progress.advance(self._overall)
