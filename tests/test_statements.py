"""What is typed or piped is cut where DuckDB itself would end a statement, and nowhere else."""

import random
from collections.abc import Iterator
from io import StringIO

import duckdb
import pytest

from flows.statements import (
    COMMENT,
    Statement,
    is_command,
    is_ended,
    split,
    statements,
    statements_of,
    tokens,
)

ONE = [
    "select ';' as a",
    "select 'it''s; fine'",
    'select 1 as "a;b"',
    "select E'a\\';b'",
    "select $$ a; b $$",
    "select $tag$ ; $$ ; $tag$",
    "select 1 -- a; comment\n + 1",
    "select /* a; /* nested; */ ; */ 1",
    "select 'é;日本;'",
    "select x'ab'",
]


@pytest.mark.parametrize("text", ONE)
def test_a_semicolon_in_a_quote_or_a_comment_ends_nothing(text: str) -> None:
    assert statements(f"{text};{text}") == [
        Statement(text, 1),
        Statement(text, 1 + text.count("\n")),
    ]
    assert is_ended(f"{text};")
    assert not is_ended(text)


@pytest.mark.parametrize(
    "text", ["", "select 1", "select ';", 'select ";', "select $$;", "select /* ;", "-- select 1;"]
)
def test_what_is_not_closed_is_not_ended(text: str) -> None:
    assert not is_ended(text)


@pytest.mark.parametrize(
    "text", ["select 1;", "select 1; \n", "select 1; -- c", "select 1; /* c */"]
)
def test_a_comment_may_follow_the_end(text: str) -> None:
    assert is_ended(text)


def test_what_is_blank_is_no_statement() -> None:
    assert statements(" ;\n;; ") == []
    assert split("select 1; ") == ([Statement("select 1")], None)
    assert split("select 1; select 2") == ([Statement("select 1")], Statement("select 2"))


def test_a_wrong_statement_spoils_none_of_its_neighbours() -> None:
    """DuckDB's own splitting refuses all three."""
    assert [s.text for s in statements("select 1; selec 2; select 3")] == [
        "select 1",
        "selec 2",
        "select 3",
    ]


def test_a_statement_knows_the_line_that_it_begins_in() -> None:
    text = "select 1;\n\n  select\n2; select 3\n;"
    assert statements(text) == [
        Statement("select 1", 1),
        Statement("select\n2", 3),
        Statement("select 3\n", 4),
    ]
    assert list(statements_of(StringIO(text))) == statements(text)


def test_statements_come_as_soon_as_they_have_ended() -> None:
    """A script on a pipe is answered while it is still being written."""
    read = []

    def lines() -> Iterator[str]:
        for line in ("select\n", "1; select 2;\n", ".views\n", "\n", "select ';\n", "';\n", "last"):
            read.append(line)
            yield line

    came = [(statement, len(read)) for statement in statements_of(lines())]
    assert came == [
        (Statement("select\n1", 1), 2),
        (Statement("select 2", 2), 2),
        (Statement(".views", 3), 3),
        (Statement("select ';\n'", 5), 6),
        (Statement("last", 7), 7),
    ]


def test_a_command_is_a_line_that_begins_with_a_dot() -> None:
    assert [is_command(line) for line in (".views", " .quit;\n", "exit;", "QUIT", "select .5")] == [
        *(True, True, True, True, False)
    ]
    inside = list(statements_of(StringIO("select\n.5;")))
    assert inside == [Statement("select\n.5", 1)]


def test_what_is_no_text_is_a_statement_all_the_same() -> None:
    """A terminal can send bytes that are no UTF-8; their places are not mistaken."""
    assert statements("select '\udcff;é'; select 2") == [
        Statement("select '\udcff;é'"),
        Statement("select 2"),
    ]


def test_pieces_in_any_order_are_cut_as_duckdb_cuts_them() -> None:
    """Of all that DuckDB parses: 2,000 texts of what makes splitting hard."""
    pieces = [*ONE, "select 1", "-- c;\n", "/* ; */", "\n", "\t", "values ('x')"]
    random.seed(11)
    for _ in range(2000):
        text = "".join(
            random.choice(pieces) + random.choice(["; ", ";\n", ";;"])  # noqa: S311 - no secret
            for _ in range(random.randrange(1, 6))  # noqa: S311 - no secret
        )
        expected = [_words(statement.query) for statement in duckdb.extract_statements(text)]
        found = [_words(statement.text) for statement in statements(text)]
        assert [words for words in found if words] == expected


def _words(query: str) -> list[str]:
    """The statement's tokens; DuckDB 1 and 2 differ in which of two a comment between them is of."""
    found = tokens(query)
    return [token.word for token in found if token.kind != COMMENT and token.word != ";"]
