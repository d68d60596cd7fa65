"""What a run shows of itself while it works: to a log, or to nobody; to a terminal `flows.bars`."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

from extract.targets import Target, TargetOutcome
from flows.terminal import counted, printable
from schemas.snapshots import FAILED, TRUNCATED

LINE_SECONDS = 5.0
"""On a log, a target that is still being read says so this often."""
MANY_SECONDS = 10.0
"""On a log, many targets have a line together this often."""
FEW_TARGETS = 50
"""On a log, so many targets have a line each."""
_TROUBLES = (FAILED, TRUNCATED)


class Watch(Protocol):
    """Is told what a run does. Calls come from several threads."""

    def planned(self, targets: Sequence[Target]) -> None:
        """The targets that will be read."""

    def called(self, outcome: TargetOutcome) -> None:
        """A target's listing after one more call."""

    def doing(self, stage: str) -> None:
        """The stage that begins, such as `writing`."""


class Silent:
    """Shows nothing."""

    def planned(self, targets: Sequence[Target]) -> None:
        """Shows nothing."""

    def called(self, outcome: TargetOutcome) -> None:
        """Shows nothing."""

    def doing(self, stage: str) -> None:
        """Shows nothing."""


class Telling(Silent):
    """Tells, by way of `tell`, each target's end, and every so often how far one is.

    For a log, and for the process that reads targets where another shows it.
    """

    def __init__(self, tell: Callable[[TargetOutcome], object], seconds: float) -> None:
        self._tell = tell
        self._seconds = seconds
        self._told: dict[str, float] = {}

    def called(self, outcome: TargetOutcome) -> None:
        """Tells the end at once, else at most every so many seconds."""
        name, now = str(outcome), time.monotonic()
        if outcome.status or now - self._told.setdefault(name, now) >= self._seconds:
            self._told[name] = now
            self._tell(outcome)


class Told:
    """Hands on what is told of targets; the end of one once, be its batch read again."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._ended: set[str] = set()
        self._lock = Lock()

    def hand_on(self, outcome: TargetOutcome) -> None:
        """Hands it on, unless the target has ended."""
        with self._lock:
            if str(outcome) in self._ended:
                return
            if outcome.status:
                self._ended.add(str(outcome))
        self._watch.called(outcome)


class Lines:
    """Plain lines, for logs: each target's end, and now and then how far a long one is.

    Of more than `FEW_TARGETS` only those have lines that failed or were cut short, so many of them at
    the most; besides, a line every `MANY_SECONDS` says how many have ended, and how.
    """

    def __init__(
        self,
        say: Callable[[str], object],
        words: Callable[[TargetOutcome], str] | None = None,
    ) -> None:
        self._say = say
        self._words = words or describe
        self._one_by_one = Telling(self._say_of, LINE_SECONDS)
        self._count = 0
        self._ends: Counter[str] = Counter()
        self._due = time.monotonic() + MANY_SECONDS
        self._lock = Lock()

    def planned(self, targets: Sequence[Target]) -> None:
        """One line with the count."""
        self._count = len(targets)
        self._say(f"reading {counted(len(targets), 'target')}")

    def called(self, outcome: TargetOutcome) -> None:
        """A line at the target's end, and one every `LINE_SECONDS` until then."""
        if self._count > FEW_TARGETS:
            self._one_of_many(outcome)
        else:
            self._one_by_one.called(outcome)

    def doing(self, stage: str) -> None:
        """One line."""
        self._say(stage)

    def _say_of(self, outcome: TargetOutcome) -> None:
        self._say(self._words(outcome))

    def _one_of_many(self, outcome: TargetOutcome) -> None:
        with self._lock:
            if outcome.status:
                self._ends[outcome.status] += 1
            troubled = sum(self._ends[status] for status in _TROUBLES)
            if outcome.status in _TROUBLES and troubled <= FEW_TARGETS:
                self._say_of(outcome)
            ended = self._ends.total()
            is_last = outcome.status and ended == self._count
            if is_last or time.monotonic() >= self._due:
                self._due = time.monotonic() + MANY_SECONDS
                ends = "".join(f" {status}={n}" for status, n in sorted(self._ends.items()))
                self._say(f"targets={self._count} ended={ended}{ends}")


def describe(outcome: TargetOutcome) -> str:
    """One line on a target: how far it is, or how it ended and why."""
    read = f"{counted(outcome.pages, 'page')}, {counted(outcome.builds_listed, 'build')}"
    words = f"{outcome} {outcome.status or 'reading'}: {read}"
    if outcome.throttles:
        words += f", throttled {counted(outcome.throttles, 'time')}"
    if outcome.error_message:
        words += f": {outcome.error_message}"
    return printable(words)


def key_values(outcome: TargetOutcome) -> str:
    """The same for a program that reads logs: `target=… status=…`, text in quotes as JSON."""
    told = {
        "target": str(outcome),
        "status": outcome.status or "reading",
        "pages": outcome.pages,
        "builds": outcome.builds_listed,
        "requests": outcome.requests,
        "throttles": outcome.throttles,
    }
    if outcome.started_at and outcome.finished_at:
        told["seconds"] = round((outcome.finished_at - outcome.started_at).total_seconds(), 3)
    words = " ".join(f"{name}={value}" for name, value in told.items())
    if outcome.error_message:
        message = json.dumps(outcome.error_message, ensure_ascii=False)
        words += f" error_code={outcome.error_code} error={message}"
    return printable(words)
