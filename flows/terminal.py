"""Text for a terminal: what came from outside can move no cursor and colour nothing."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Final, TextIO

_KEPT: Final = "\n\t"
_HIDDEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that a terminal obeys or hides: controls, bidirectional marks, surrogates."""


def printable(text: str) -> str:
    """The text with every control or invisible character written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) else _escape(c) for c in text)


@contextmanager
def printable_errors() -> Iterator[None]:
    """What is raised in it, and what that came of, says so in printable words: loggers print them.

    An error can quote what AWS or a build says.
    """
    try:
        yield
    except Exception as raised:
        error: BaseException | None = raised
        while error is not None:
            error.args = tuple(printable(a) if isinstance(a, str) else a for a in error.args)
            error = error.__cause__ or error.__context__
        raise


def counted(number: int, noun: str) -> str:
    """The number with its noun, in the plural where there is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def width_of(stream: TextIO) -> int | None:
    """The terminal's width in cells; None where the stream is none, so that nothing need be folded."""
    return get_terminal_size().columns if stream.isatty() else None


def say(line: str) -> None:
    """A line on stderr: what is being done."""
    sys.stderr.write(line + "\n")


def show(lines: Iterable[str]) -> None:
    """Lines on stdout: what came of it. A reader that has enough changes no exit status."""
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        stop_printing()


def stop_printing() -> None:
    """The reader of stdout has enough: what is still to be printed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_shown(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in _HIDDEN


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
