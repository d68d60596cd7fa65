"""The views and tables in words, of the package alone or of a warehouse that is there."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from flows.catalog import (
    MACRO,
    Column,
    Relation,
    as_json,
    describe_all,
    describe_one,
    how_to_run,
    named,
    relations,
    relations_of,
    summarize,
)
from flows.parameters import ParameterError, SnapshotParameters
from flows.pipeline import take_snapshot
from flows.text_table import cells
from lake.warehouse import connect
from schemas.tables import TABLES
from schemas.view import macros, views

ODD = Relation(
    "odd",
    "view",
    "What is odd: it is 日本 and has many words.",
    "one row a thing",
    "What is odd?",
    "select * from odd",
    (
        Column("a", "INTEGER", "A number."),
        Column("long_name", "MAP(VARCHAR, VARCHAR)", "Some words."),
    ),
)


def test_every_view_and_table_has_its_words_without_a_lake() -> None:
    known = relations()
    assert set(known) == {view.name for view in (*views(), *macros())} | set(TABLES)
    for relation in known.values():
        assert all((relation.purpose, relation.grain, relation.example, relation.columns))
        assert all(column.type and column.comment for column in relation.columns)
    builds = known["image_builds"]
    assert (builds.kind, builds.purpose) == (
        "table",
        "The builds of every snapshot, as the API sent them.",
    )
    assert Column("name", "VARCHAR", "The image's name as its recipe spells it.") in builds.columns
    assert {column.type for column in known["current_builds"].columns} == {
        *("DATE", "VARCHAR", "BIGINT", "TIMESTAMPTZ", "MAP(VARCHAR, VARCHAR)")
    }


@pytest.mark.usefixtures("emulator")
def test_every_example_is_a_query_that_a_warehouse_answers(
    parameters: Callable[..., SnapshotParameters],
) -> None:
    """A warehouse describes itself as the package does."""
    given = parameters()
    take_snapshot(given)
    known = relations()
    with connect(given.warehouse) as warehouse:
        for relation in known.values():
            assert warehouse.execute(relation.example).description
        assert warehouse.execute(known["image_builds"].example).fetchall()
        found = relations_of(warehouse)
    assert set(found) - set(known) == {"visible_runs", "warehouse_info"}
    for name, relation in known.items():
        told = replace(relation, columns=()) if relation.kind == MACRO else relation
        assert (found[name].columns, found[name].example) == (told.columns, told.example)
        if relation.kind == "view":
            assert (found[name].purpose, found[name].grain) == (relation.purpose, relation.grain)


def test_a_macro_is_listed_with_its_parameters() -> None:
    with duckdb.connect() as connection:
        connection.execute("create macro builds_as_of(ts, b) as table select ts, b")
        (macro,) = relations_of(connection).values()
    assert (macro.title, macro.kind) == ("builds_as_of(ts, b)", "macro")
    assert next(describe_all([macro], None)) == "builds_as_of(ts, b) (macro)"


def test_without_a_terminal_nothing_is_folded() -> None:
    assert list(describe_all([ODD], None)) == [
        "odd",
        "    What is odd: it is 日本 and has many words.",
        "    grain: one row a thing",
    ]
    assert list(describe_one(ODD, None)) == [
        "odd: What is odd: it is 日本 and has many words.",
        "grain: one row a thing",
        "",
        "  a          INTEGER                A number.",
        "  long_name  MAP(VARCHAR, VARCHAR)  Some words.",
        "",
        "example: What is odd?",
        "  select * from odd",
    ]
    assert list(summarize([ODD], None)) == ["odd  What is odd: it is 日本 and has many words."]


def test_on_a_narrow_terminal_words_are_folded_and_never_cut() -> None:
    assert list(describe_one(ODD, 36)) == [
        "odd: What is odd: it is 日本 and has",
        "many words.",
        "grain: one row a thing",
        "",
        "  a          INTEGER",
        "      A number.",
        "  long_name  MAP(VARCHAR, VARCHAR)",
        "      Some words.",
        "",
        "example: What is odd?",
        "  select * from odd",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_word_fits_any_terminal(width: int) -> None:
    """But for an example, which is there to be copied."""
    known = relations()
    for lines in (
        list(describe_all(known.values(), width)),
        list(summarize(known.values(), width)),
        *(list(describe_one(relation, width))[:-1] for relation in known.values()),
    ):
        assert max(map(cells, lines)) <= width
    told = " ".join(" ".join(describe_all(known.values(), width)).split())
    assert all(view.purpose in told for view in views())


def test_what_comes_from_a_warehouse_moves_no_cursor() -> None:
    """Names and comments may be anybody's."""
    with duckdb.connect() as connection:
        connection.execute('create table "a\x1b[31m" ("b\x07" integer)')
        connection.execute("comment on table \"a\x1b[31m\" is 'c\x1b]0;x\x07'")
        (odd,) = relations_of(connection).values()
    lines = [*describe_one(odd, None), *summarize([odd], None), *describe_one(odd, 40)]
    assert lines[:3] == ["a\\x1b[31m: c\\x1b]0;x\\x07", "", "  b\\x07  INTEGER"]
    assert all(line.isprintable() for line in lines)


def test_json_has_all_of_it() -> None:
    columns = [
        {"name": "a", "type": "INTEGER", "comment": "A number."},
        {"name": "long_name", "type": "MAP(VARCHAR, VARCHAR)", "comment": "Some words."},
    ]
    told = {
        "name": "odd",
        "kind": "view",
        "purpose": "What is odd: it is 日本 and has many words.",
        "grain": "one row a thing",
        "asks": "What is odd?",
        "example": "select * from odd",
        "columns": columns,
        "parameters": [],
    }
    assert json.loads(as_json(ODD)) == told
    assert json.loads(as_json([ODD])) == [told]


def test_a_name_that_is_none_is_told_its_neighbours() -> None:
    assert named("GOLDEN_AMIS", relations()).name == "golden_amis"
    with pytest.raises(ParameterError) as refused:
        named("golden_amix", relations())
    assert str(refused.value) == (
        "'golden_amix' is no view, table or macro; did you mean golden_amis or bi.golden_amis or "
        "golden_images?"
    )
    with pytest.raises(ParameterError, match="`imagelake views` lists them"):
        named("zzz", relations())


@pytest.mark.parametrize(
    "query", ["select 'a' from b", 'select "a" from b', "select '$HOME', `x`", "select '!', '\\n'"]
)
def test_the_command_that_runs_an_example_survives_a_shell(query: str, tmp_path: Path) -> None:
    del tmp_path
    line = list(how_to_run(query))[-1]
    assert shlex.split(line) == ["imagelake", "sql", query]
