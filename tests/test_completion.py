"""Tab offers what fits the place: the columns of what the statement names before all else."""

from collections.abc import Iterator

import duckdb
import pytest

from flows.catalog import MACRO, Relation, relations, relations_of
from flows.completion import Candidate, Vocabulary, candidates, vocabulary_of, word_before

CURSOR = "│"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            """
            create table builds (arn varchar, "built at" timestamptz, position integer);
            create table amis (arn varchar, ami_id varchar);
            create table "Odd one" (a integer);
            create macro builds_as_of(ts) as table select * from builds;
            """
        )
        yield connection


@pytest.fixture(scope="module")
def known(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, Relation], Vocabulary]:
    return relations_of(connection), vocabulary_of(connection)


Known = tuple[dict[str, Relation], Vocabulary]


def offered(known: Known, text: str) -> list[str]:
    cursor = text.index(CURSOR)
    found = candidates(text.replace(CURSOR, ""), cursor, *known)
    return [candidate.text for candidate in found]


def test_columns_of_what_the_statement_names_come_first(known: Known) -> None:
    assert offered(known, "select │ from amis") == [
        *("arn", "ami_id", "Odd one".join('""'), "amis", "builds", "builds_as_of(")
    ]
    assert offered(known, "select a│ from amis")[:4] == ["arn", "ami_id", "amis", "all"]
    assert offered(known, "select b│ from builds")[:2] == ["builds", "builds_as_of("]
    assert offered(known, "select amis.ami_id, a│ from amis where arn = 'x'")[0] == "arn"


def test_only_the_statement_at_the_cursor_counts(known: Known) -> None:
    assert offered(known, "select ami_id from amis; select │ from builds")[:2] == [
        "arn",
        '"built at"',
    ]
    assert offered(known, "select │ from builds; select ami_id from amis")[:3] == [
        "arn",
        '"built at"',
        "position",
    ]


def test_after_a_dot_are_the_columns_of_the_name_or_alias(known: Known) -> None:
    assert offered(known, "select b.│ from builds as b") == ["arn", '"built at"', "position"]
    assert offered(known, "select b.p│ from builds b join amis as a using (arn)") == ["position"]
    assert offered(known, "select a.│ from builds b join amis as a using (arn)") == [
        "arn",
        "ami_id",
    ]
    assert offered(known, "select builds.│ from builds where true") == [
        *("arn", '"built at"', "position")
    ]
    assert offered(known, "select x.│ from builds") == []


def test_after_from_are_names_that_can_be_queried(known: Known) -> None:
    names = ['"Odd one"', "amis", "builds", "builds_as_of("]
    for before in ("from", "select * from amis join", "describe", "FROM"):
        assert offered(known, f"{before} │") == names
        assert offered(known, f"{before} bu│") == names[2:]


def test_keywords_follow_the_case_of_what_is_typed(known: Known) -> None:
    assert offered(known, "sele│") == ["select"]
    assert offered(known, "SELE│") == ["SELECT"]
    assert "date_trunc(" in offered(known, "select date_t│")


@pytest.mark.parametrize(
    "text",
    [
        "select '│",
        "select 'a│' from amis",
        'select "a│',
        "select 1 -- a│",
        "select /* a│",
        "select $$ a│",
        "select 1a│",
        "select 12│",
    ],
)
def test_nothing_is_offered_inside_a_quote_a_comment_or_a_number(known: Known, text: str) -> None:
    assert offered(known, text) == []


def test_a_name_is_offered_once_and_what_it_is_is_told(known: Known) -> None:
    found = list(candidates("select ar from amis join builds using (arn)", 9, *known))
    assert found[0] == Candidate("arn", "amis: VARCHAR")
    texts = [candidate.text for candidate in found]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".v│", [".views"]),
        (".S│", [".schema", ".save"]),
        (".format │", ["table", "csv", "json"]),
        (".format c│", ["csv"]),
        (".schema bu│", ["builds", "builds_as_of"]),
        (".save │", []),
    ],
)
def test_commands_are_completed_too(known: Known, text: str, expected: list[str]) -> None:
    assert offered(known, text) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("select a", "a"),
        ("select ", ""),
        (".vie", ".vie"),
        ("select b.po", "po"),
        ("\nfrom go", "go"),
    ],
)
def test_the_word_before_the_cursor_is_what_is_replaced(text: str, word: str) -> None:
    assert word_before(text) == word


def test_every_relation_of_the_package_completes(connection: duckdb.DuckDBPyConnection) -> None:
    """One of a schema: its name after the schema's."""
    known = relations(), vocabulary_of(connection)
    for name, relation in relations().items():
        _, _, own = name.rpartition(".")
        assert own + "(" * (relation.kind == MACRO) in offered(known, f"from {name[:-1]}│")


def test_what_is_in_a_schema_completes_with_its_columns(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    known = relations(), vocabulary_of(connection)
    assert {"bi.builds", "bi.calendar"} <= set(offered(known, "from bi│"))
    assert offered(known, "from bi.cal│") == ["calendar"]
    for text in ("from bi.amis select ami_k│", "from bi.amis as a select a.ami_k│"):
        assert offered(known, text)[0] == "ami_key"
