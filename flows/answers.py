"""Query results as a table for people, or as CSV or JSON for programs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from itertools import chain, islice
from shutil import get_terminal_size
from typing import Any, Final, TextIO

import duckdb
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.formats import Format
from flows.terminal import printable

ASKED_TIMES: Final = 5
HELD_ROWS: Final = 100_000
"""So many rows are read before the first is written, so that the query can be asked again till then."""

_BATCH_ROWS = 10_000
_REMOVED: Final = ("Cannot open file", "No files found that match", "404")
"""What DuckDB 1.4 to 2.0 say of a file that was removed, on a disk or in S3.

Words, since the class differs: 1.x wraps it as InvalidInputException where the rows are fetched.
"""
_LAKE_PATHS: Final = ("/snapshot_date", "/_current/")
_UNBOUNDED_WIDTH = 10_000


def write_answer(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    form: Format,
    out: TextIO,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Asks the query and writes its rows to `out`, a batch of rows at a time.

    A query without a statement writes nothing. A table shows control characters as escapes; CSV and
    JSON carry every value to the letter. Where clean-up took a file from under the query it is asked
    again, as long as none of its rows is written.
    """
    for left in reversed(range(ASKED_TIMES)):
        try:
            answer = connection.execute(query, parameters)
            if answer is None:
                return
            names = [column[0] for column in answer.description or []]
            rows = _rows(answer)
            held = list(islice(rows, None if form is Format.TABLE else HELD_ROWS))
            break
        except duckdb.Error as error:
            if not left or not is_of_removed_file(error):
                raise
    if form is Format.CSV:
        _write_csv(names, chain(held, rows), out)
    elif form is Format.JSON:
        _write_json(names, chain(held, rows), out)
    else:
        _write_table(names, held, out)


def is_of_removed_file(error: duckdb.Error) -> bool:
    """True where a file of a lake that the query had listed was gone when it was to be read."""
    words = str(error)
    is_of_lake = any(part in words for part in _LAKE_PATHS)
    return is_of_lake and any(said in words for said in _REMOVED)


def _rows(answer: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := answer.fetchmany(_BATCH_ROWS):
        yield from batch


def _write_csv(names: Sequence[str], rows: Iterable[tuple[Any, ...]], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in row])


def _write_json(names: Sequence[str], rows: Iterable[tuple[Any, ...]], out: TextIO) -> None:
    """A JSON list of one object a row; a column name that comes twice gets a number."""
    keys = _distinct(names)
    separator = "[\n"
    for row in rows:
        out.write(separator + json.dumps(dict(zip(keys, map(_jsonable, row), strict=True))))
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_table(names: Sequence[str], rows: Sequence[tuple[Any, ...]], out: TextIO) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, name in enumerate(names):
        is_numeric = all(isinstance(row[position], int | float | None) for row in rows)
        table.add_column(
            Text(printable(name)),
            justify="right" if is_numeric and rows else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    width = get_terminal_size().columns if out.isatty() else _UNBOUNDED_WIDTH
    lines = StringIO()
    Console(file=lines, width=width).print(table)
    out.writelines(f"{line.rstrip()}\n" for line in lines.getvalue().splitlines())
    out.write(f"({len(rows):,} row{'' if len(rows) == 1 else 's'})\n")


def _shown(value: Any) -> Text:
    if isinstance(value, datetime) and value.microsecond % 1000 == 0:
        finest = "milliseconds" if value.microsecond else "seconds"
        return Text(value.isoformat(sep=" ", timespec=finest))
    return Text("NULL" if value is None else printable(_cell(value)))


def _cell(value: Any) -> str:
    """The value as text; NULL is empty."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dict | list):
        return json.dumps(_jsonable(value), ensure_ascii=False)
    return str(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(member) for member in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return str(value)  # a DECIMAL that a float would round, too


def _distinct(names: Sequence[str]) -> list[str]:
    keys: list[str] = []
    for name in names:
        number = sum(key == name or key.startswith(f"{name}_") for key in keys)
        keys.append(f"{name}_{number}" if name in keys else name)
    return keys
