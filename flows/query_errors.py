"""What went wrong with a statement, in words, with the place in it underlined."""

from __future__ import annotations

import json
from typing import Any, Final

import duckdb

from flows.answers import is_of_removed_file, words_of_removed_file
from flows.statements import Statement
from flows.terminal import printable
from flows.text_table import cells

_TAB: Final = "    "
_CUT: Final = "..."
_NARROWEST: Final = 40


class QueryError(Exception):
    """A statement failed; the message says how and where, `is_usage` whether it is to blame."""

    def __init__(self, words: str, *, is_usage: bool = True) -> None:
        super().__init__(words)
        self.is_usage = is_usage


def tell_places(connection: duckdb.DuckDBPyConnection) -> None:
    """Has the connection's errors carry the place of what is wrong, for `query_error`.

    And has it take no unknown name for a variable of this process, which only a notebook wants.
    """
    connection.execute("set errors_as_json = true")
    connection.execute("set python_enable_replacements = false")


def query_error(error: duckdb.Error, statement: Statement, width: int) -> QueryError:
    """DuckDB's words, then the line of the input and a caret below the place, in `width` cells."""
    kind, words, place = _parts(str(error))
    told = f"{kind}: {words}" if kind else words
    if is_of_removed_file(error):
        return QueryError(words_of_removed_file(error), is_usage=False)
    if isinstance(error, duckdb.InterruptException):  # nobody's Ctrl-C, which raises another error
        return QueryError(
            "the query failed, and of several threads DuckDB named the one that it stopped: ask again; "
            "`set threads = 1` before it shows why (not under --no-external)"
        )
    encoded = statement.text.encode()
    if place is None or not 0 <= place <= len(encoded):
        return QueryError(told)
    before = encoded[:place].decode(errors="ignore")
    return QueryError(f"{told}\n\n{_underlined(statement, len(before), width)}")


def words_of(error: duckdb.Error) -> str:
    """What DuckDB says of it, in one line."""
    return " ".join(_parts(str(error))[1].split())


def _parts(words: str) -> tuple[str, str, int | None]:
    """The kind of the error, its message and the place in the statement, in bytes."""
    kind, brace, rest = words.partition(": {")
    try:
        told: dict[str, Any] = json.loads("{" + rest) if brace else {}
        message = str(told["exception_message"]).strip()
    except (ValueError, KeyError):
        return "", words.strip(), None
    place = str(told.get("position", ""))
    return kind, message, int(place) if place.isdecimal() else None


def _underlined(statement: Statement, place: int, width: int) -> str:
    """The line that holds the place, or the part of it that fits, and a caret below the place.

    A caret stands right only below what the terminal shows: escapes, tabs and wide characters are
    measured as they are written.
    """
    text = statement.text
    begin = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = [_shown(character) for character in text[begin : end if end >= 0 else len(text)]]
    at = min(place - begin, len(line))
    title = f"LINE {statement.line + text.count(chr(10), 0, begin)}: "
    room = max(width, _NARROWEST) - len(title)
    first, last = _window([cells(shown) for shown in line], at, room)
    left = (_CUT if first else "") + "".join(line[first:at])
    right = "".join(line[at:last]) + (_CUT if last < len(line) else "")
    return f"{title}{left}{right}\n{' ' * (len(title) + cells(left))}^"


def _window(widths: list[int], at: int, room: int) -> tuple[int, int]:
    """The part of a line, from and to, that fits: what is before the place gets a half at least."""
    if sum(widths) <= room:
        return 0, len(widths)
    room -= 2 * len(_CUT)
    left = max(room // 2, room - sum(widths[at:]))
    first, last, taken = at, at, 0
    while first and taken + widths[first - 1] <= left:
        first -= 1
        taken += widths[first]
    while last < len(widths) and taken + widths[last] <= room:
        taken += widths[last]
        last += 1
    return first, last


def _shown(character: str) -> str:
    return _TAB if character == "\t" else printable(character)
