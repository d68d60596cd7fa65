"""The views, tables and macros in words: what each answers, its grain, columns and an example query."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Final

import duckdb

from flows.parameters import ParameterError
from flows.terminal import printable
from flows.text_table import cells, folded
from schemas.tables import TABLES
from schemas.view import View, column_comment, declared_columns, macros, views

VIEW: Final = "view"
TABLE: Final = "table"
MACRO: Final = "macro"

_TABLE_PURPOSES: Final = {
    "image_builds": "The builds of every snapshot, as the API sent them.",
    "image_amis": "The AMIs that the builds of every snapshot list.",
    "image_containers": "The container images that the builds of every snapshot list.",
    "image_region_failures": "The regions that the distributions of every snapshot failed in.",
    "snapshot_targets": "What each snapshot covered: every target, one that failed, too.",
    "snapshots": "The run that shows for each date.",
}
_BELOW: Final = " " * 6
_LEAST_FOLDED: Final = 30
"""A text beside its name is folded to no fewer cells than this."""


@dataclass(frozen=True)
class Column:
    """A column: its name, SQL type and meaning."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Relation:
    """What can be queried by its name; a macro with its parameters."""

    name: str
    kind: str
    purpose: str
    grain: str
    asks: str
    example: str
    columns: tuple[Column, ...]
    parameters: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as it is written in a query."""
        return f"{self.name}({', '.join(self.parameters)})" if self.kind == MACRO else self.name


def relations() -> dict[str, Relation]:
    """Every relation of a warehouse by name, whatever lake there is: the views, then the tables."""
    types = declared_columns()
    kinds = ((VIEW, views()), (MACRO, macros()))
    found = [
        *(
            _view(view, kind, types[view.name])
            for kind, of in kinds
            for view in sorted(of, key=_name)
        ),
        *_tables(),
    ]
    return {relation.name: relation for relation in found}


def relations_of(warehouse: duckdb.DuckDBPyConnection) -> dict[str, Relation]:
    """Every relation that a warehouse has, by name, as its own comments describe it."""
    columns: dict[str, list[Column]] = {}
    for name, *column in warehouse.execute(_COLUMNS).fetchall():
        columns.setdefault(name, []).append(_column(*column))
    examples = {view.name: (view.asks, view.example) for view in (*views(), *macros())}
    examples |= {table: ("", _newest_of(table)) for table in TABLES}
    found = {}
    for name, kind, comment, parameters in warehouse.execute(_RELATIONS).fetchall():
        purpose, _, rest = comment.partition(" Grain: ")
        grain = rest.partition(". Measures: ")[0]
        found[name] = Relation(
            name,
            kind,
            purpose,
            grain.removesuffix("."),
            *examples.get(name, ("", "")),
            tuple(columns.get(name, ())),
            tuple(parameters or ()),
        )
    return found


def named(name: str, among: Mapping[str, Relation]) -> Relation:
    """The relation of that name. Raises ParameterError with names that are near where there is none."""
    found = among.get(name) or among.get(name.lower())
    if found is None:
        near = get_close_matches(name.lower(), among, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`imagelake views` lists them"
        raise ParameterError(f"{name!r} is no view, table or macro; {hint}")
    return found


def as_json(shown: Relation | Iterable[Relation]) -> str:
    """One relation as an object, or several as a list of them."""
    told = (
        asdict(shown) if isinstance(shown, Relation) else [asdict(relation) for relation in shown]
    )
    return json.dumps(told, indent=2, ensure_ascii=False)


def describe_all(among: Iterable[Relation], width: int | None) -> Iterator[str]:
    """Each relation with its purpose and grain; lines of a `width` in cells are folded to it."""
    for relation in among:
        yield relation.title if relation.kind == VIEW else f"{relation.title} ({relation.kind})"
        for words in (relation.purpose, f"grain: {relation.grain}"):
            yield from _beside(["  "], words, width)


def summarize(among: Iterable[Relation], width: int | None) -> Iterator[str]:
    """A line for each relation, with its purpose."""
    rows = [([printable(relation.title)], printable(relation.purpose)) for relation in among]
    yield from _aligned(rows, width)


def describe_one(relation: Relation, width: int | None) -> Iterator[str]:
    """The relation's purpose, grain, columns and example, which is never folded."""
    yield from _beside([], printable(f"{relation.title}: {relation.purpose}"), width)
    if relation.grain:
        yield from _beside([], printable(f"grain: {relation.grain}"), width)
    yield ""
    rows = [
        ([f"  {printable(column.name)}", printable(column.type)], printable(column.comment))
        for column in relation.columns
    ]
    yield from _aligned(rows, width)
    if relation.example:
        yield ""
        yield from _beside([], f"example: {relation.asks}".rstrip(), width)
        yield f"  {relation.example}"


def described(shown: Relation | Iterable[Relation], width: int | None) -> Iterator[str]:
    """One relation with how to ask it, or each of several in short."""
    if isinstance(shown, Relation):
        yield from describe_one(shown, width)
        yield from how_to_run(shown.example)
    else:
        yield from describe_all(shown, width)


def how_to_run(query: str) -> Iterator[str]:
    """The command that asks the query, to be pasted into a shell."""
    is_plain = not any(character in query for character in '"$`\\!')
    argument = f'"{query}"' if is_plain else shlex.quote(query)
    yield from ("", "run it:", f"  imagelake sql {argument}")


def _name(view: View) -> str:
    return view.name


def _view(view: View, kind: str, types: Mapping[str, str]) -> Relation:
    columns = (
        _column(name, sql_type, column_comment(view, name)) for name, sql_type in types.items()
    )
    return Relation(
        view.name,
        kind,
        view.purpose,
        view.grain,
        view.asks,
        view.example,
        tuple(columns),
        tuple(view.parameters),
    )


def _tables() -> Iterator[Relation]:
    for table in TABLES.values():
        columns = (Column(c.name, c.sql_type, c.doc) for c in table.documented_columns)
        yield Relation(
            table.name,
            TABLE,
            _TABLE_PURPOSES[table.name],
            f"{table.grain}; key: {', '.join(table.key)}",
            "",
            _newest_of(table.name),
            tuple(columns),
        )


def _newest_of(table: str) -> str:
    newest = "snapshot_date = (select max(snapshot_date) from snapshots)"
    return f"select * from {table} where {newest} limit 10"  # noqa: S608 - our own names


def _column(name: str, sql_type: str, comment: str) -> Column:
    return Column(name, sql_type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), comment)


def _aligned(rows: Sequence[tuple[list[str], str]], width: int | None) -> Iterator[str]:
    """Cells one below the other, and beside them a text each."""
    widths = [max(map(cells, column)) for column in zip(*(left for left, _ in rows), strict=True)]
    for left, words in rows:
        padded = [
            text + " " * (widest - cells(text)) for text, widest in zip(left, widths, strict=True)
        ]
        yield from _beside(padded, words, width)


def _beside(left: list[str], words: str, width: int | None) -> Iterator[str]:
    """The words beside what is on their left, or below it where there is no room."""
    margin = "".join(f"{text}  " for text in left)
    if width is None:
        yield (margin + words).rstrip()
        return
    if width - cells(margin) < _LEAST_FOLDED:
        yield margin.rstrip()
        margin = _BELOW
    first, *others = folded(words, max(width - cells(margin), 1))
    yield (margin + first).rstrip()
    yield from (" " * cells(margin) + line for line in others)


_COLUMNS: Final = """
select if(schema_name = 'main', '', schema_name || '.') || table_name, column_name, data_type,
    coalesce(comment, '')
from duckdb_columns()
where not internal
order by table_oid, column_index
"""
_RELATIONS: Final = """
select if(schema_name = 'main', '', schema_name || '.') || view_name as name, 'view' as kind,
    coalesce(comment, '') as comment, null as parameters
from duckdb_views()
where not internal
union all
select if(schema_name = 'main', '', schema_name || '.') || table_name, 'table',
    coalesce(comment, ''), null
from duckdb_tables()
where not internal
union all
select function_name, 'macro', coalesce(comment, ''), parameters
from duckdb_functions()
where not internal and function_type in ('macro', 'table_macro')
order by kind desc, name
"""
