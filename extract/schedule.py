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

Progress = Callable[[TargetOutcome], None]
"""Called after each call of a listing, from the thread that made it."""


def run_listings(
    listings: Iterable[Listing], concurrency: int, progress: Progress = lambda _: None
) -> list[TargetOutcome]:
    """Runs each listing to its end, `concurrency` calls at a time; the outcomes in their order.

    Raises what a listing raises beyond its own outcome (a full disk, a defect), after the calls
    under way have ended.
    """
    schedule = _Schedule(list(listings), UNDER_WAY_PER_CALL * concurrency, progress)
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


class _Schedule:
    """The listings under way by the time at which each may make its next call, then the rest."""

    def __init__(self, listings: list[Listing], under_way: int, progress: Progress) -> None:
        self._listings = listings
        self._progress = progress
        self._turn = count()
        self._queue = [(0.0, next(self._turn), listing) for listing in listings[:under_way]]
        self._waiting = iter(listings[under_way:])
        self._open = len(listings)
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
        with self._changed:
            while self._open and not self._is_aborted:
                if self._queue and (wait := self._queue[0][0] - time.monotonic()) <= 0:
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(min(wait, TIMEOUT_MAX) if self._queue else None)
            return None

    def _put_back(self, listing: Listing, wait: float | None) -> None:
        if wait is None:
            listing.close()
        with self._changed:
            if wait is None:
                self._open -= 1
                self._queue_up(next(self._waiting, None), 0.0)
            else:
                self._queue_up(listing, wait)
            if self._open:
                self._changed.notify()
            else:
                self._changed.notify_all()

    def _queue_up(self, listing: Listing | None, wait: float) -> None:
        if listing is not None:
            heapq.heappush(self._queue, (time.monotonic() + wait, next(self._turn), listing))
