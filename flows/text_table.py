"""Rows as text for people: in columns, or a line a column where a terminal is too narrow for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len

_GAP: Final = "   "
_NARROWEST: Final = 12
"""A column of longer texts is folded to no fewer cells than this."""
_WHOLE: Final = 36
"""A word of no more cells is kept whole, so that it can be copied: a run's id, a UUID, an AMI's id."""


def table_lines(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    is_number: Sequence[bool],
    width: int | None,
) -> Iterator[str]:
    """The lines of the table; those of a `width` in cells fit it, the others are as long as need be.

    Texts may have several lines. What does not fit is folded, never cut.
    """
    columns = list(zip(names, *rows, strict=True))
    widths = [_widest(column) for column in columns]
    if width is not None and sum(widths) > (room := width - len(_GAP) * (len(widths) - 1)):
        widths = _fitting([_longest_word(column) for column in columns], widths, room)
        if not widths:
            yield from _records(names, rows, width)
            return
    yield from _row(names, widths, is_number)
    yield "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    for row in rows:
        yield from _row(row, widths, is_number)


def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    return len(text) if text.isascii() else cell_len(text)


def folded(text: str, width: int) -> list[str]:
    """The text's lines, each of at most `width` cells: broken at spaces, else within a word."""
    lines: list[str] = []
    for whole in text.split("\n"):
        rest = whole.expandtabs()
        while cells(rest) > width and len(rest) > 1:
            end = _most(rest, width)
            space = rest.rfind(" ", 1, end + 1)
            lines.append(rest[: space if space > 0 else end].rstrip())
            rest = rest[space + 1 if space > 0 else end :]
        lines.append(rest)
    return lines


def _most(text: str, width: int) -> int:
    """How many characters of the text, at least one, take no more than `width` cells."""
    end = min(len(text), width)
    while end > 1 and cells(text[:end]) > width:
        end -= 1
    return end


def _widest(texts: Sequence[str]) -> int:
    return max(cells(line) for text in texts for line in text.expandtabs().split("\n"))


def _longest_word(texts: Sequence[str]) -> int:
    """The cells of the name, or of the longest word that is kept whole if that is more."""
    name, *values = texts
    words = (cells(word) for text in values for word in text.split())
    return max([cells(name), *(size for size in words if size <= _WHOLE)])


def _fitting(words: Sequence[int], widths: Sequence[int], room: int) -> list[int]:
    """The widths with the widest taken in until all fit, to the `words` at the most; else none."""
    fitting = list(widths)
    least = [
        min(natural, max(word, _NARROWEST)) for word, natural in zip(words, widths, strict=True)
    ]
    if sum(least) > room:
        return []
    while (excess := sum(fitting) - room) > 0:
        loose = [column for column, limit in enumerate(least) if fitting[column] > limit]
        widest = max(loose, key=lambda column: fitting[column])
        others = [fitting[column] for column in loose if fitting[column] < fitting[widest]]
        floor = max(least[widest], max(others, default=0))
        fitting[widest] -= min(excess, max(1, fitting[widest] - floor))
    return fitting


def _row(texts: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> Iterator[str]:
    columns = [folded(text, width) for text, width in zip(texts, widths, strict=True)]
    for line in range(max(map(len, columns))):
        padded = (
            _padded(column[line] if line < len(column) else "", width, is_right)
            for column, width, is_right in zip(columns, widths, is_number, strict=True)
        )
        yield _GAP.join(padded).rstrip()


def _padded(text: str, width: int, is_right: bool) -> str:
    filling = " " * (width - cells(text))
    return filling + text if is_right else text + filling


def _records(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """A line a column, the rows one below the other; of no rows the columns' names."""
    if not rows:
        yield from folded(", ".join(names), width)
    left = min(_widest(names), width // 2)
    widths = [left, width - left - len(_GAP)]
    for number, row in enumerate(rows, 1):
        title = f"── row {number:,} "
        yield title + "─" * max(0, width - cells(title))
        for pair in zip(names, row, strict=True):
            yield from _row(pair, widths, (False, False))
