"""Query results as a table for people, or as CSV, JSON or Parquet for programs."""

from __future__ import annotations

import csv
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import duckdb

from flows.asking import cancellable
from flows.formats import Format
from flows.parameters import ParameterError
from flows.terminal import counted, printable, say, width_of
from flows.text_table import table_lines

ASKED_TIMES: Final = 5
HELD_ROWS: Final = 100_000
"""So many rows are read before the first is written, so that the query can be asked again till then."""

_BATCH_ROWS = 10_000
_COUNTING_SECONDS: Final = 1.0
_REMOVED: Final = ("Cannot open file", "No files found that match", "404")
"""What DuckDB 1.4 to 2.0 say of a file that was removed, on a disk or in S3.

Words, since the class differs: 1.x wraps it as InvalidInputException where the rows are fetched.
"""
_CSV_END: Final = "\r\n"
NO_ROWS: Final = "the statement has no rows to write"
_FORMULAS: Final = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""What a text begins with that a spreadsheet computes instead of showing it.

By OWASP's page on CSV injection: the signs, also those of full width, and the characters that it skips.
"""
_LAKE_PATHS: Final = ("/snapshot_date", "/_current/")

Row = tuple[Any, ...]
Asked = TypeVar("Asked")


def write_answer(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    form: Format,
    out: TextIO,
    parameters: Mapping[str, Any] | None = None,
    most: int | None = None,
    *,
    times: int = ASKED_TIMES,
    is_excel_safe: bool = False,
) -> int | None:
    """Asks the query and writes its rows to `out`, a batch at a time; returns how many.

    A statement that has no rows, as `set`, and a query without one, write nothing: None. A table, and
    CSV on a terminal, show control characters as escapes; else CSV, JSON and Parquet carry every
    value to the letter. Of more than `most` rows the rest is left out, which a line says. Where
    clean-up took a file from under the query it is asked again, so many `times` in all, as long as none
    of its rows is written. `is_excel_safe`: no text begins a formula of a spreadsheet. Ctrl-C ends the
    query and raises KeyboardInterrupt.
    """
    if form is Format.PARQUET:
        return _write_parquet(connection, query, out, parameters, times)
    held = most or (None if form is Format.TABLE else HELD_ROWS)  # a table's widths are of all rows
    answer = asked_again(lambda: _ask(connection, query, parameters, held), times)
    if answer is None:
        return None
    names, first = answer
    rows = iter(first) if most else chain(first, _rows(connection))
    if is_excel_safe:
        names, rows = list(_without_formulas(names)), map(tuple, map(_without_formulas, rows))
    count = _WRITERS[form](names, rows, out)
    in_all = _in_all(connection, count, out) if count == most else ""
    if in_all:
        say(f"({count:,} of {in_all} rows; `.rows all` shows all, `.save FILE` keeps them)")
    elif form is Format.TABLE:
        out.write(f"({counted(count, 'row')})\n")
    return count


def is_of_removed_file(error: duckdb.Error) -> bool:
    """True where a file of a lake that the query had listed was gone when it was to be read."""
    words = str(error)
    is_of_lake = any(part in words for part in _LAKE_PATHS)
    return is_of_lake and any(said in words for said in _REMOVED)


def words_of_removed_file(error: duckdb.Error) -> str:
    """What to do about it, in one line."""
    words = " ".join(str(error).split())
    found = re.search(r'(/[^"]*)/(?:\w+/snapshot_date|_current/)', words)
    try:
        if found and "://" not in words:
            Path(found[1]).stat()
    except FileNotFoundError as gone:
        return (
            f"the lake {gone.filename} is not there: put it back, or have the warehouse show where it "
            "is now with `imagelake publish`"
        )
    return f"{words}; a clean-up took the file from under the query: ask again"


def distinct(names: Sequence[str]) -> list[str]:
    """The names, each that comes again with a number."""
    keys: list[str] = []
    for name in names:
        key, number = name, 0
        while key in keys:
            number += 1
            key = f"{name}_{number}"
        keys.append(key)
    return keys


def asked_again(ask: Callable[[], Asked], times: int = ASKED_TIMES) -> Asked:
    """What `ask` returns, which is called again where a file was taken from under it."""
    for left in reversed(range(times)):
        try:
            return ask()
        except duckdb.Error as error:
            if not left or not is_of_removed_file(error):
                raise
    raise AssertionError("the last time returns or raises")


def is_silent(query: str, names: Sequence[str]) -> bool:
    """True for what DuckDB says of a statement such as `set`, which has no rows."""
    if list(names) != ["Success"]:
        return False
    return all(s.type != duckdb.StatementType.SELECT for s in duckdb.extract_statements(query))


def _ask(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, Any] | None,
    most: int | None,
) -> tuple[list[str], list[Row]] | None:
    """The columns' names and the first rows; None where the query answers nothing."""
    if cancellable(connection, connection.execute, query, parameters) is None:
        return None
    names = [column[0] for column in connection.description or []]
    first: list[Row] = []
    while most is None or len(first) < most:
        wanted = _BATCH_ROWS if most is None else min(_BATCH_ROWS, most - len(first))
        if not (batch := cancellable(connection, connection.fetchmany, wanted)):
            break
        first += batch
    return None if is_silent(query, names) else (names, first)


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    while batch := cancellable(connection, connection.fetchmany, _BATCH_ROWS):
        yield from batch


def _in_all(connection: duckdb.DuckDBPyConnection, shown: int, out: TextIO) -> str:
    """How many rows there are, as far as a second's counting finds; empty where no more than shown."""
    out.flush()  # what is shown is not kept waiting
    until = time.monotonic() + _COUNTING_SECONDS
    count = shown
    try:
        while batch := cancellable(connection, connection.fetchmany, _BATCH_ROWS, until=until):
            count += len(batch)
    except (TimeoutError, KeyboardInterrupt):
        return f"at least {count:,}"
    return f"{count:,}" if count > shown else ""


def _write_parquet(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    out: TextIO,
    parameters: Mapping[str, Any] | None,
    times: int,
) -> int:
    if out.isatty():
        raise ParameterError(
            "--format parquet: it is binary, and the output is a terminal; write it to a file"
        )
    from flows.parquet_answer import ParquetAnswer  # pyarrow is imported where it is needed

    answer = asked_again(lambda: ParquetAnswer(connection, query, parameters), times)
    out.flush()
    count = answer.write(out.buffer)
    out.buffer.flush()
    return count


def _without_formulas(values: Iterable[Any]) -> Iterator[Any]:
    """The values; before a text that a spreadsheet would take for a formula stands an apostrophe."""
    for value in values:
        is_formula = isinstance(value, str) and value.startswith(_FORMULAS)
        yield f"'{value}" if is_formula else value


def _write_csv(names: Sequence[str], rows: Iterable[Row], out: TextIO) -> int:
    """To the letter, but on a terminal, which no value may command."""
    writer = csv.writer(_Lines(out), lineterminator=_CSV_END)
    shown = printable if out.isatty() else str
    writer.writerow([shown(name) for name in names])
    count = 0
    for row in rows:
        writer.writerow([shown(_cell(value)) for value in row])
        count += 1
    return count


class _Lines:
    """A stream for rows of CSV, each ended as lines are here.

    Python before 3.13 quotes a carriage return only where lines end with one: bare, it would end a row.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def write(self, row: str) -> None:
        self.out.write(row.removesuffix(_CSV_END) + "\n")


def _write_json(names: Sequence[str], rows: Iterable[Row], out: TextIO) -> int:
    """A JSON list of one object a row; a column name that comes twice gets a number."""
    keys = distinct(names)
    count = 0
    for row in rows:
        out.write(",\n" if count else "[\n")
        out.write(json.dumps(dict(zip(keys, map(_jsonable, row), strict=True))))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count


def _write_table(names: Sequence[str], rows: Iterable[Row], out: TextIO) -> int:
    rows = list(rows)
    is_number = [
        bool(rows) and all(isinstance(row[position], int | float | None) for row in rows)
        for position in range(len(names))
    ]
    shown = [[_shown(value) for value in row] for row in rows]
    lines = table_lines([printable(name) for name in names], shown, is_number, width_of(out))
    out.writelines(f"{line}\n" for line in lines)
    return len(rows)


def _shown(value: Any) -> str:
    if isinstance(value, datetime) and value.microsecond % 1000 == 0:
        finest = "milliseconds" if value.microsecond else "seconds"
        return value.isoformat(sep=" ", timespec=finest)
    return "NULL" if value is None else printable(_cell(value))


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


_WRITERS: Final = {Format.TABLE: _write_table, Format.CSV: _write_csv, Format.JSON: _write_json}
