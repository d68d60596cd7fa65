"""What a column and a table are: one declaration that types, fills, documents and comments it.

A table's Arrow schema, the decoding of the API's answer, the Parquet field metadata, the comments in
the warehouse and the README's dictionary are all read off these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pyarrow as pa

SCHEMA_VERSION: Final = 2
"""Raised whenever a column is added, the last before its table's `extra` and `since` this version.

Each Parquet file says which version wrote it, in its metadata and, from 2 on, in its name.
"""

TEXT: Final = pa.string()
INTEGER: Final = pa.int32()
BIGINT: Final = pa.int64()
INSTANT: Final = pa.timestamp("us", tz="UTC")
TAGS: Final = pa.map_(pa.string(), pa.string())

OURS: Final = ""
"""The source of a column that imagelake writes itself."""
REST: Final = "*"
"""The source of `extra`: every member that no other column's source covers."""

_SQL_TYPES: Final = {
    TEXT: "VARCHAR",
    INTEGER: "INTEGER",
    BIGINT: "BIGINT",
    INSTANT: "TIMESTAMPTZ",
    TAGS: "MAP(VARCHAR, VARCHAR)",
    pa.date32(): "DATE",
    pa.uint64(): "UBIGINT",
}


@dataclass(frozen=True)
class Column:
    """One column: its name, type, origin in the API's answer and meaning.

    `source` is a path of members from the table's element, such as `state.failureContext.failedStep`;
    `[]` steps into a list. `parser` names the function that derives the value where the column is not
    the source's value to the letter. `since` is the schema version that brought the column; `values`
    are all that the API is known to send, none where it may send anything. `is_distinct` where nearly
    every row has a value of its own.
    """

    name: str
    type: pa.DataType
    source: str
    doc: str
    parser: str | None = None
    since: int = 1
    values: tuple[str, ...] = ()
    is_distinct: bool = False

    @property
    def sql_type(self) -> str:
        """The column's DuckDB type, such as `TIMESTAMPTZ`."""
        return _SQL_TYPES[self.type]

    @property
    def is_to_the_letter(self) -> bool:
        """True where the column holds the value that the API sent at `source`, unchanged."""
        return self.source not in (OURS, REST) and self.parser is None


@dataclass(frozen=True)
class Table:
    """One table of the lake: what a row is, what identifies it, where its elements are.

    `elements` are the paths, from an element of `imageSummaryList`, of the objects that become rows;
    empty for tables that are not read off the API's answer.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    elements: tuple[str, ...] = ()

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of the table's files, which leave out the columns of the path."""
        return self.arrow_schema_of(SCHEMA_VERSION)

    def arrow_schema_of(self, version: int) -> pa.Schema:
        """The Arrow schema of the files that a version wrote."""
        return pa.schema(
            [
                _field(number, column)
                for number, column in enumerate(self.columns, 1)
                if column.since <= version
            ],
            metadata={"imagelake.table": self.name, "imagelake.schema_version": str(version)},
        )

    @cached_property
    def whole_schema(self) -> pa.Schema:
        """The Arrow schema of files that no path tells the date and run of."""
        path = [pa.field(column.name, column.type) for column in PATH_COLUMNS]
        return pa.schema([*path, *self.arrow_schema], metadata=self.arrow_schema.metadata)

    @property
    def documented_columns(self) -> tuple[Column, ...]:
        """Every column that a user sees: those of the files and those of the path."""
        return PATH_COLUMNS + self.columns


def _field(number: int, column: Column) -> pa.Field:
    metadata = {"PARQUET:field_id": str(number), "doc": column.doc, "source": column.source}
    return pa.field(column.name, column.type, metadata=metadata)


PATH_COLUMNS: Final = (
    Column("snapshot_date", pa.date32(), OURS, "The UTC date that the snapshot is filed under."),
    Column("run_id", TEXT, OURS, "The run that wrote the row."),
)

TARGET_COLUMNS: Final = (
    Column("account_id", TEXT, OURS, "The account that was asked: 12 digits, as text."),
    Column("region", TEXT, OURS, "The region that was asked."),
)

PROVENANCE_COLUMNS: Final = (
    *TARGET_COLUMNS,
    Column("captured_at", INSTANT, OURS, "When the page that holds the row arrived."),
)

EXTRA: Final = Column(
    "extra",
    TEXT,
    REST,
    "A JSON object with every member of the element that no column here holds, at its own path; "
    "NULL where there is none.",
)
