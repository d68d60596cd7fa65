"""Ctrl-C where it may not end a process at once: at a commit it is too late, in DuckDB it waits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_begun: Final = threading.Event()
_late: Final = threading.Event()


def has_record_begun() -> bool:
    """Whether this process has come to create a record: what ends it now may follow a commit."""
    return _begun.is_set()


def came_too_late() -> None:
    """Notes that Ctrl-C was not heeded, as what it would have kept from happening had happened."""
    _late.set()


def take_late() -> bool:
    """Whether a Ctrl-C came too late since this was asked the last time."""
    was_late = _late.is_set()
    _late.clear()
    return was_late


def heed_late() -> None:
    """Raises KeyboardInterrupt where one came too late for what is done, before the next begins."""
    if take_late():
        raise KeyboardInterrupt


@contextmanager
def held_off() -> Iterator[Callable[[], None]]:
    """Yields what to call at the point of no return; from there to the block's end Ctrl-C is too late.

    Else it might end the process between the creation of a record and the word of it, and pass for
    an interruption that left nothing. A second Ctrl-C ends it all the same, however often a record
    was tried meanwhile.
    """
    with _on_first(came_too_late) as watch:
        is_watched = False

        def hold() -> None:
            nonlocal is_watched
            _begun.set()
            if not is_watched:
                is_watched = True
                watch()

        yield hold


@contextmanager
def heeded_after() -> Iterator[None]:
    """Ctrl-C in the block, which DuckDB works in, is heeded at the block's end; a second one at once.

    DuckDB makes a RuntimeError of it, and its threads may abort the process that ends over it.
    """
    pressed: list[bool] = []
    with _on_first(lambda: pressed.append(True)) as watch:
        watch()
        yield
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def _on_first(note: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Yields what has the first Ctrl-C noted and no more, up to the block's end, in the main thread.

    Threads other than that one are never interrupted. A handler that is not Python's own stays.
    """
    before = signal.getsignal(signal.SIGINT)
    is_ours = threading.current_thread() is threading.main_thread()
    is_ours = is_ours and before is signal.default_int_handler

    def once(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        note()

    def watch() -> None:
        if is_ours:
            signal.signal(signal.SIGINT, once)

    try:
        yield watch
    finally:
        if is_ours and signal.getsignal(signal.SIGINT) is once:
            signal.signal(signal.SIGINT, before)
