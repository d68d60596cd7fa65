"""Many listings over a bounded number of connections: a target that waits gives its place away.

Listings take turns in the order in which they became ready, so that every target advances at the
same pace and stays below its own rate limit for as long as others have work.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from itertools import count
from threading import TIMEOUT_MAX, Condition, Thread
from typing import Final

from extract.pages import Listing
from extract.targets import TargetOutcome

UNDER_WAY_PER_CALL: Final = 4
"""So many listings are under way for each call at a time: enough to fill the waits of throttled ones,
few enough to bound the open connections (2,000 targets would exceed a process's file limit)."""

FIRST_CALLS: Final = 4
"""So many calls are under way at first: an endpoint that answers at once would have 16 of them take a
tenth of the CPU of 100,000 builds from each other until their number has fallen; one that takes its
time has all of them after two looks."""
LOOK_SECONDS: Final = 0.1
"""The load is measured for at least so long before the number of calls at a time follows it."""
BUSY, SPARE, IDLE = 0.95, 0.85, 0.5
"""CPU seconds of the process a second of the clock: above BUSY there are fewer calls, below SPARE one
more, below IDLE twice as many."""

Progress = Callable[[TargetOutcome], None]
"""Called after each call of a listing, from the thread that made it."""


def run_listings(
    listings: Iterable[Listing], concurrency: int, progress: Progress = lambda _: None
) -> list[TargetOutcome]:
    """Runs each listing to its end, `concurrency` calls at a time; the outcomes in their order.

    Raises what a listing raises beyond its own outcome (a full disk, a defect), after the calls
    under way have ended.
    """
    schedule = _Schedule(list(listings), concurrency, progress)
    threads = [
        Thread(target=schedule.work, name=f"listing-{number}", daemon=True)
        for number in range(min(concurrency, schedule.size))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        schedule.abort()
        for thread in threads:  # the calls under way end first: they still land their pages
            thread.join()
        raise
    return schedule.outcomes()


class Width:
    """How many calls may be under way: fewer where they keep Python busy, more where they wait.

    Threads that are ready to run only take the interpreter from each other: 16 at an endpoint that
    answers at once took 30 % more CPU for 100,000 builds than one, and a fifth more time. Where
    answers take their time, or do not come, all of them are needed.
    """

    def __init__(self, most: int, clocks: Callable[[], tuple[float, float]] | None = None) -> None:
        self._most = most
        self.calls = min(most, FIRST_CALLS)
        self._clocks = clocks or (lambda: (time.monotonic(), time.process_time()))
        self._looked_at = self._clocks()

    def follow_load(self) -> None:
        """Looks at the process's load since the last time, unless that was just now."""
        clock, cpu = self._clocks()
        seconds = clock - self._looked_at[0]
        if seconds < LOOK_SECONDS:
            return
        load = (cpu - self._looked_at[1]) / seconds
        self._looked_at = clock, cpu
        if load > BUSY:
            self.calls = max(1, self.calls * 3 // 4)
        elif load < SPARE:
            self.calls = min(self._most, self.calls * 2 if load < IDLE else self.calls + 1)


class _Schedule:
    """The listings under way by the time at which each may make its next call, then the rest."""

    def __init__(self, listings: list[Listing], concurrency: int, progress: Progress) -> None:
        under_way = UNDER_WAY_PER_CALL * concurrency
        self._listings = listings
        self._progress = progress
        self._turn = count()
        self._queue = [(0.0, next(self._turn), listing) for listing in listings[:under_way]]
        self._waiting = iter(listings[under_way:])
        self._open = len(listings)
        self._width = Width(concurrency)
        self._calls = 0
        self._is_aborted = False
        self._changed = Condition()
        self._error: BaseException | None = None

    @property
    def size(self) -> int:
        return len(self._listings)

    def outcomes(self) -> list[TargetOutcome]:
        if self._error is not None:
            raise self._error
        return [listing.outcome for listing in self._listings]

    def abort(self) -> None:
        with self._changed:
            self._is_aborted = True
            self._changed.notify_all()

    def work(self) -> None:
        """Takes the listing whose turn it is, makes its call, puts it back; until none is open."""
        try:
            while (listing := self._take()) is not None:
                wait = listing.step()
                self._progress(listing.outcome)
                self._put_back(listing, wait)
        except BaseException as error:  # handed to the thread that waits
            self._error = self._error or error
            self.abort()

    def _take(self) -> Listing | None:
        """The next listing, once its time has come and a call more may be under way."""
        with self._changed:
            while self._open and not self._is_aborted:
                self._width.follow_load()
                wait = LOOK_SECONDS if self._queue else None
                if self._queue and self._calls < self._width.calls:
                    if (wait := self._queue[0][0] - time.monotonic()) <= 0:
                        self._calls += 1
                        if len(self._queue) > 1 and self._calls < self._width.calls:
                            self._changed.notify()  # one more call may be made beside this
                        return heapq.heappop(self._queue)[2]
                    wait = min(wait, TIMEOUT_MAX)
                self._changed.wait(wait)
            return None

    def _put_back(self, listing: Listing, wait: float | None) -> None:
        """The listing's call has ended. Whoever calls this takes the next one."""
        if wait is None:
            listing.close()
        with self._changed:
            self._calls -= 1
            if wait is None:
                self._open -= 1
                self._queue_up(next(self._waiting, None), 0.0)
            else:
                self._queue_up(listing, wait)
            if not self._open:
                self._changed.notify_all()

    def _queue_up(self, listing: Listing | None, wait: float) -> None:
        if listing is not None:
            heapq.heappush(self._queue, (time.monotonic() + wait, next(self._turn), listing))
