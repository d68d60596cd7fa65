"""Calls into DuckDB that Ctrl-C ends: a thread works, and the main one waits for either."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Final, TypeVar

import duckdb

Result = TypeVar("Result")

_LOOK_SECONDS: Final = 0.5
"""A signal that another thread was chosen for wakes the main one no later than this."""
_AGAIN_SECONDS: Final = 0.05


def cancellable(
    connection: duckdb.DuckDBPyConnection,
    call: Callable[..., Result],
    *arguments: object,
    until: float = math.inf,
) -> Result:
    """The call's result. Ctrl-C ends what the connection does, then raises KeyboardInterrupt.

    So does the monotonic clock when it is `until`, with a TimeoutError.

    Called in the main thread DuckDB would not see a Ctrl-C while it fetches, nor before it is done
    with what it executes.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        work: Future[Result] = thread.submit(call, *arguments)
        try:
            while not wait((work,), min(_LOOK_SECONDS, max(0, until - time.monotonic()))).done:
                if time.monotonic() >= until:
                    raise TimeoutError
        except (KeyboardInterrupt, TimeoutError):
            _end(connection, work)
            raise
        return work.result()


def _end(connection: duckdb.DuckDBPyConnection, work: Future[Result]) -> None:
    """Interrupts the connection until its work has ended: what is not yet under way is no work."""
    while not work.done():
        with suppress(KeyboardInterrupt):  # it is being ended already
            connection.interrupt()
            wait((work,), _AGAIN_SECONDS)
