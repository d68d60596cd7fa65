"""Ctrl-C at a commit: before the record is created it ends the run, from then on it comes too late."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_begun: Final = threading.Event()


def has_record_begun() -> bool:
    """Whether this process has come to create a record: what ends it now may follow a commit."""
    return _begun.is_set()


@contextmanager
def held_off() -> Iterator[Callable[[], None]]:
    """Yields what to call at the point of no return; from there to the block's end Ctrl-C is ignored.

    Else it might end the process between the creation of a record and the word of it, and pass for
    an interruption that left nothing. A second Ctrl-C ends it all the same, however often a record
    was tried meanwhile. Threads other than the main one are never interrupted.
    """
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    calls = 0

    def hold() -> None:
        nonlocal calls
        calls += 1
        _begun.set()
        if calls == 1 and is_main and before is signal.default_int_handler:
            signal.signal(signal.SIGINT, _once)

    def _once(*_: object) -> None:
        signal.signal(signal.SIGINT, before)

    try:
        yield hold
    finally:
        if is_main and signal.getsignal(signal.SIGINT) is _once:
            signal.signal(signal.SIGINT, before)
