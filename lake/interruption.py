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


def take_late() -> bool:
    """Whether a Ctrl-C came too late since this was asked the last time."""
    was_late = _late.is_set()
    _late.clear()
    return was_late


def heed_late() -> None:
    """Raises KeyboardInterrupt where one came too late for what was done; what comes next can wait."""
    if take_late():
        raise KeyboardInterrupt


@contextmanager
def held_off() -> Iterator[Callable[[], None]]:
    """Yields what to call at the point of no return; from there to the block's end Ctrl-C is too late.

    Else it might end the process between the creation of a record and the word of it, and pass for
    an interruption that left nothing. A second Ctrl-C ends it all the same. The point may be reached
    more than once: a record whose name was taken is created under another.
    """
    with _on_first(_late.set) as watch:
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
    pressed = threading.Event()
    with _on_first(pressed.set) as watch:
        watch()
        try:
            yield
        except Exception as error:
            if pressed.is_set():  # who handles the error would go on
                raise KeyboardInterrupt from error
            raise
    if pressed.is_set():
        raise KeyboardInterrupt


def is_of_duckdb(error: BaseException) -> bool:
    """Whether it is what DuckDB makes of a Ctrl-C while it works in the main thread."""
    return isinstance(error, RuntimeError) and str(error) == "Query interrupted"


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
