"""SQL files whose header says what they are: comment lines, the purpose first, then `field: value`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

_COLUMN = re.compile(r"column (\w+)")
_MEASURE = re.compile(r"measure (\w+) = (.+)")


@dataclass(frozen=True)
class SqlFile:
    """A file's name without its ending, its purpose, its fields, its columns' meanings, its SQL.

    `measures` has, by name, a measure's SQL expression and its meaning.
    """

    name: str
    purpose: str
    fields: dict[str, str]
    columns: dict[str, str]
    measures: dict[str, tuple[str, str]]
    sql: str


def sql_files(
    folder: str, fields: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[SqlFile]:
    """Every SQL file of a folder beside this module, by name.

    Each must have all the `fields`, and may have the `optional` ones, a `column NAME:` line for a
    column and a `measure NAME = EXPRESSION:` line for a measure. Raises ValueError where a header line
    is none of these, or a field is missing.
    """
    for entry in sorted(files("schemas").joinpath(folder).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            yield _parse(entry.name, entry.read_text(), fields, optional)


def _parse(
    file_name: str, text: str, needed: tuple[str, ...], optional: tuple[str, ...]
) -> SqlFile:
    lines = text.splitlines()
    purpose: list[str] = []
    fields: dict[str, str] = {}
    columns: dict[str, str] = {}
    measures: dict[str, tuple[str, str]] = {}
    for line in (line.removeprefix("--").strip() for line in lines if line.startswith("--")):
        name, _, value = line.partition(": ")
        if column := _COLUMN.fullmatch(name):
            columns[column[1]] = value
        elif measure := _MEASURE.fullmatch(name):
            measures[measure[1]] = measure[2], value
        elif name in needed + optional:
            fields[name] = value
        elif fields or columns:
            raise ValueError(f"{file_name}: {line!r} is no field; a field is one line")
        else:
            purpose.append(line)
    if missing := set(needed) - set(fields):
        raise ValueError(f"{file_name}: no line for {', '.join(sorted(missing))}")
    sql = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    name = file_name.removesuffix(".sql")
    return SqlFile(name, " ".join(purpose), fields, columns, measures, sql)
