"""What is typed or piped, cut into statements where DuckDB's own tokens say that one ends.

A semicolon in a string, a quoted name, a comment or a dollar quote ends none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import duckdb

COMMENT: Final = "comment"
"""The kind of a token that only DuckDB 2 makes: 1.x passes over comments."""

_NAME: Final = re.compile(r"\w+|\"(?:[^\"]|\"\")*\"|.", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One statement's text, and the line of the input that it begins in, from 1."""

    text: str
    line: int = 1


@dataclass(frozen=True)
class Token:
    """One of DuckDB's tokens: where it begins in the text, its kind and its first word."""

    start: int
    kind: str
    word: str


def tokens(text: str) -> list[Token]:
    """The text's tokens; none of what follows a quote that is not closed."""
    encoded = text.encode(errors="replace")  # a terminal can send what is no text
    starts = duckdb.tokenize(encoded.decode())
    if not text.isascii():  # the places are those of bytes
        starts = [(len(encoded[:at].decode(errors="ignore")), kind) for at, kind in starts]
    return [
        Token(at, str(kind).rpartition(".")[2], found[0])
        for at, kind in starts
        if (found := _NAME.match(text, at))
    ]


def ends(text: str) -> list[int]:
    """Where in the text the semicolons are that end a statement."""
    return [token.start for token in tokens(text) if token.word == ";"]


def statements(text: str, line: int = 1) -> list[Statement]:
    """The text's statements, without what is blank; the last needs no semicolon."""
    found, rest = split(text, line)
    return found if rest is None else [*found, rest]


def split(text: str, line: int = 1) -> tuple[list[Statement], Statement | None]:
    """The statements of the text that have ended, and what follows the last of them."""
    found = []
    start = 0
    for end in ends(text):
        found.append(_statement(text, start, end, line))
        start = end + 1
    rest = _statement(text, start, len(text), line)
    return [statement for statement in found if statement], rest


def is_ended(text: str) -> bool:
    """True where the text ends with a statement's semicolon, or a comment after it."""
    found = ends(text)
    if not found:
        return False
    rest = text[found[-1] + 1 :].strip()
    return not rest or rest.startswith("--") or (rest.startswith("/*") and rest.endswith("*/"))


def statements_of(lines: Iterable[str]) -> Iterator[Statement]:
    """The statements of lines as they come, each as soon as it has ended.

    A line that begins with a dot, where no statement has begun, is one by itself.
    """
    gathered, first = "", 1
    for number, line in enumerate(lines, 1):
        if not gathered:
            first = number
            if is_command(line):
                yield Statement(line.strip(), number)
                continue
        gathered += line
        if ";" in line:
            found, rest = split(gathered, first)
            yield from found
            gathered, first = (rest.text, rest.line) if rest else ("", number)
        elif not gathered.strip():
            gathered = ""
    if gathered.strip():
        yield Statement(gathered.strip(), first)


def is_command(line: str) -> bool:
    """True for a line that is the shell's own business, not the warehouse's."""
    words = line.strip().rstrip(";").lower()
    return words.startswith(".") or words in ("exit", "quit")


def _statement(text: str, start: int, end: int, line: int) -> Statement | None:
    """The statement between two places; none where nothing is there."""
    body = text[start:end]
    if not body.strip():
        return None
    begin = start + len(body) - len(body.lstrip())
    return Statement(text[begin:end], line + text.count("\n", 0, begin))
