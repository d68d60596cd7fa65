"""A run's data files: immutable Parquet, whole under their names, invisible until committed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import file_digest
from math import ceil
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lake.parquet import StagedFile
from lake.run import Run, data_folder, part_path
from lake.storage import Lake
from schemas.tables import TABLES

ROW_GROUP_ROWS: Final = 122_880  # DuckDB's own: one thread scans one group
ROW_GROUP_BYTES: Final = 12 << 20
"""A row group ends at about whichever of the two comes first: it bounds the memory, and a date of many
builds is read by several threads."""
PART_ROWS: Final = 250_000
"""A table's file is closed and the next begun past this: what is known of its row groups is held until
then, 15 MB of 1,000,000 builds. Files of 1,000,000 rows scan no faster; 240 small ones take 11 to 30
times as long as one.
"""
WORTH_A_FILE: Final = 10_000
"""So many rows of a table may be in a file of their own."""

DISTINCT: Final = frozenset(
    column.name for table in TABLES.values() for column in table.columns if column.is_distinct
)
"""Columns of which nearly every row has a value of its own: a dictionary of them only costs.

Without one, and with instants as differences, 100,000 builds take a sixth fewer bytes, their AMIs a
seventh, and writing them a sixth less time. Values that come often stay in a dictionary,
which DuckDB filters by. DELTA_BYTE_ARRAY would save one byte more; not every reader takes it.
"""


@dataclass(frozen=True)
class DataFile:
    """A finished data file; `sha256` is of its bytes, in hexadecimal."""

    path: str
    row_count: int
    size_bytes: int
    sha256: str


Manifest = dict[str, tuple[DataFile, ...]]
"""By table, the data files of a run."""
Rows: TypeAlias = pa.Table | StagedFile
"""Rows of a table, in memory or in a finished file."""


class TablesWriter:
    """Writes tables, each into a folder of its own; each has at least one file, be it without rows.

    Files are built on this machine's disk; only `publish` puts them under the names that a commit
    makes visible, so that they can be checked before. On an exception the unpublished are removed.
    """

    def __init__(self, lake: Lake, places: Mapping[str, tuple[str, pa.Schema]]) -> None:
        self._tables = {
            name: _TableWriter(lake, folder, schema) for name, (folder, schema) in places.items()
        }

    def append(self, tables: Mapping[str, Rows]) -> None:
        """Adds rows to each of the given tables; a staged file becomes a file of the table as it is."""
        for name, rows in tables.items():
            writer = self._tables[name]
            writer.adopt(rows) if isinstance(rows, StagedFile) else writer.append(rows)

    def row_counts(self) -> dict[str, int]:
        """Rows appended so far, by table."""
        return {name: writer.row_count for name, writer in self._tables.items()}

    def finish(self, table: str) -> tuple[Path, ...]:
        """Finishes the table's files; where they are until they are published."""
        return self._tables[table].finish()

    def hand_over(self) -> dict[str, tuple[StagedFile, ...]]:
        """Finishes the tables that have rows: their files are the caller's from now on."""
        filled = {name: writer for name, writer in self._tables.items() if writer.row_count}
        for writer in filled.values():
            writer.finish()
        return {name: writer.hand_over() for name, writer in filled.items()}

    def publish(self) -> Manifest:
        """Finishes every table and puts its files, unseen as yet, into the lake."""
        return {name: writer.publish() for name, writer in self._tables.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as every:  # one that fails does not keep the others from ending
            for writer in self._tables.values():
                every.callback(writer.abandon)


class SnapshotWriter(TablesWriter):
    """Writes a run's tables."""

    def __init__(self, lake: Lake, run: Run) -> None:
        super().__init__(
            lake,
            {
                name: (data_folder(name, run.snapshot_date, run.run_id), table.arrow_schema)
                for name, table in TABLES.items()
            },
        )


@dataclass
class _TableWriter:
    lake: Lake
    folder: str
    schema: pa.Schema
    row_count: int = 0
    _pending: list[pa.Table] = field(default_factory=list)
    _pending_bytes: int = 0
    _pending_rows: int = 0
    _finished: list[StagedFile] = field(default_factory=list)
    _staged: Path | None = None
    _writer: pq.ParquetWriter | None = None
    _part_rows: int = 0

    def append(self, rows: pa.Table) -> None:
        self.row_count += rows.num_rows
        self._pending.append(rows)
        self._pending_rows += rows.num_rows
        self._pending_bytes += rows.nbytes
        if self._pending_rows >= ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
            self._write_group()

    def adopt(self, staged: StagedFile) -> None:
        """The part under way ends before it: the rows stay in their order."""
        if self._pending_rows:
            self._write_group()
        self._end_part()
        self.row_count += staged.row_count
        self._finished.append(staged)

    def hand_over(self) -> tuple[StagedFile, ...]:
        handed, self._finished = tuple(self._finished), []
        return handed

    def finish(self) -> tuple[Path, ...]:
        if self._pending_rows or not (self._finished or self._writer):
            self._write_group()
        self._end_part()
        return tuple(staged.file for staged in self._finished)

    def publish(self) -> tuple[DataFile, ...]:
        self.finish()
        return tuple(self._publish(n, staged) for n, staged in enumerate(self._finished))

    def abandon(self) -> None:
        for staged in self._finished:
            staged.file.unlink(missing_ok=True)
        if self._writer is not None and self._staged is not None:
            writer, self._writer = self._writer, None
            self._staged.unlink(missing_ok=True)
            with suppress(OSError):  # a full disk: the file is gone already
                writer.close()

    def _write_group(self) -> None:
        if self._writer is None:
            self._staged = self.lake.stage(self._path(len(self._finished)))
            self._writer = pq.ParquetWriter(self._staged, self.schema, **_packed(self.schema))
        rows = pa.concat_tables([self.schema.empty_table(), *self._pending])
        groups = max(
            ceil(self._pending_rows / ROW_GROUP_ROWS),
            round(self._pending_bytes / ROW_GROUP_BYTES),
            1,
        )
        self._writer.write_table(rows, row_group_size=ceil(self._pending_rows / groups) or 1)
        self._part_rows += self._pending_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        pa.default_memory_pool().release_unused()  # 30 MB of the peak at 1,000,000 builds
        if self._part_rows >= PART_ROWS:
            self._end_part()

    def _end_part(self) -> None:
        if self._writer is None or self._staged is None:
            return
        self._writer.close()
        self._writer = None
        self._finished.append(StagedFile(self._staged, self._part_rows))
        self._part_rows = 0

    def _publish(self, number: int, staged: StagedFile) -> DataFile:
        with staged.file.open("rb") as content:
            digest = file_digest(content, "sha256").hexdigest()
        stored = self.lake.publish(staged.file, self._path(number))
        return DataFile(stored.path, staged.row_count, stored.size_bytes, digest)

    def _path(self, number: int) -> str:
        return part_path(self.folder, number)


def _packed(schema: pa.Schema) -> dict[str, Any]:
    """How the columns are encoded, in the words of pyarrow's writer."""
    instants = [f.name for f in schema if f.name in DISTINCT and pa.types.is_timestamp(f.type)]
    return {
        "compression": "zstd",
        "use_dictionary": [
            f"{field.name}.key_value.key" if pa.types.is_map(field.type) else field.name
            for field in schema
            if field.name not in DISTINCT
        ],
        "column_encoding": dict.fromkeys(instants, "DELTA_BINARY_PACKED"),
    }
