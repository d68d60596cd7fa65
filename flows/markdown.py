"""Text from outside as Markdown: shown to the letter, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from flows.terminal import printable

MOST_CHARACTERS: Final = 500
"""A longer text is cut."""

_OBEYED: Final = re.compile(r"[\\`*_\[\]<>#+|~$&@]|:(?=//)")
"""What Markdown, HTML in it or a link begins with; a scheme and an at sign make links by themselves."""
_WWW: Final = re.compile(r"\bwww\.", re.IGNORECASE)


def escaped(text: object, most: int = MOST_CHARACTERS) -> str:
    """One line of Markdown that shows as the text, which is cut where it is too long."""
    line = _OBEYED.sub(r"\\\g<0>", one_line(text, most))
    return _WWW.sub(lambda www: f"{www[0][:-1]}\\.", line)


def one_line(text: object, most: int = MOST_CHARACTERS) -> str:
    """The text with its controls shown and its white space single; cut where it is too long."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table; None is an empty cell."""
    yield _row(heads)
    yield _row(["---"] * len(heads))
    for row in rows:
        yield _row(["" if cell is None else escaped(cell) for cell in row])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
