"""How long a target is waited for: backing off, pacing by what it grants, giving up in time."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from extract.errors import Kind, Problem

MAX_FAILURES_IN_A_ROW: Final = 6
"""A call that failed this often, with 0.25 to 8 s between, fails its target."""

_SHORTEST_BACKOFF_SECONDS: Final = 0.25
_LONGEST_BACKOFF_SECONDS: Final = 8.0
_FIRST_INTERVAL_SECONDS: Final = 0.05
_LONGEST_INTERVAL_SECONDS: Final = 2.0
_EASING: Final = 0.9  # an interval shrinks by this with each granted call, and is gone below 10 ms


@dataclass(frozen=True)
class Limits:
    """For how long targets are read: each from its first call, and all of them from the run's."""

    target_seconds: float = 900.0
    run_deadline: float = float("inf")
    """On the clock of `time.monotonic`."""


class Patience:
    """One target's: told of each call's outcome, it says how long to wait before the next."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failures = 0
        self._deadline = limits.run_deadline
        self.interval_seconds = 0.0
        """What the target's own rate asks for between two calls."""

    def begin(self) -> None:
        """The first call is about to be made."""
        of_target = time.monotonic() + self._limits.target_seconds
        self._deadline = min(of_target, self._limits.run_deadline)

    @property
    def is_over(self) -> bool:
        """True where the time for the target is up."""
        return time.monotonic() >= self._deadline

    def granted(self) -> None:
        """A call was answered."""
        self._failures = 0
        self.interval_seconds *= _EASING
        if self.interval_seconds < 0.01:
            self.interval_seconds = 0.0

    def after(self, problem: Problem) -> float | None:
        """The seconds to wait before asking again; None where that is hopeless.

        A throttled target is asked until its time is up, a failing one a bounded number of times.
        No wait is longer than the time that is left.
        """
        wait = self._wait_after(problem)
        left = max(0.0, self._deadline - time.monotonic())
        return None if wait is None else min(wait, left)

    def _wait_after(self, problem: Problem) -> float | None:
        if problem.kind is Kind.THROTTLED:
            doubled = max(2 * self.interval_seconds, _FIRST_INTERVAL_SECONDS)
            self.interval_seconds = min(doubled, _LONGEST_INTERVAL_SECONDS)
            self._failures = min(self._failures + 1, MAX_FAILURES_IN_A_ROW)
            return self._until_the_end(max(self._backoff(problem), self.interval_seconds))
        self._failures += 1
        if problem.kind is Kind.TRANSIENT and self._failures < MAX_FAILURES_IN_A_ROW:
            return self._until_the_end(self._backoff(problem))
        return None

    def _until_the_end(self, wait: float) -> float:
        """The wait, but not beyond the target's time: then it is over, whatever was asked for."""
        return min(wait, max(0.0, self._deadline - time.monotonic()))

    def _backoff(self, problem: Problem) -> float:
        """Jitter over a doubling span, but never before the time that the service names."""
        span = _SHORTEST_BACKOFF_SECONDS * 2 ** (self._failures - 1)
        span = min(span, _LONGEST_BACKOFF_SECONDS)
        return (problem.retry_after_seconds or 0.0) + random.uniform(span / 4, span)  # noqa: S311 - jitter, no secret
