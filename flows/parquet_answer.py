"""A query's answer as a Parquet file: Arrow batches from DuckDB, written as they come."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from flows.answers import NO_ROWS, distinct, is_silent
from flows.asking import cancellable
from flows.parameters import ParameterError

_BATCH_ROWS: Final = 50_000
"""Rows a batch, which becomes a row group."""
_UNFAITHFUL: Final = {
    *("interval", "time with time zone", "bit", "union", "variant"),
    *("uhugeint", "bignum", "varint"),
}
"""Types that Arrow or Parquet has no like of, or that DuckDB hands over as something else."""


class ParquetAnswer:
    """The batches of an answer; the first is read already, so that a query that fails has no answer."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        query: str,
        parameters: Mapping[str, Any] | None,
    ) -> None:
        self._connection = connection
        reader = cancellable(connection, _reader, connection, query, parameters)
        self.schema = pa.schema(
            [
                field.with_name(name)
                for field, name in zip(reader.schema, distinct(reader.schema.names), strict=True)
            ]
        )
        batches = self._batches(reader)
        first = next(batches, None)
        self.batches = chain([] if first is None else [first], batches)

    def write(self, out: BinaryIO) -> int:
        """Writes the file and returns its rows.

        Where that fails the file has no end, which no reader takes for a whole one.
        """
        sink = _Sink(out)
        count = 0
        try:
            writer = pq.ParquetWriter(sink, self.schema, compression="zstd")
            for batch in self.batches:
                writer.write_batch(batch)
                count += batch.num_rows
            writer.close()
        finally:
            sink.is_open = False
        return count

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while (batch := cancellable(self._connection, _next, reader)) is not None:
            renamed = pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
            renamed.validate(full=True)  # a HUGEINT above 38 digits fits no decimal
            yield renamed


class _Sink:
    """Hands on what pyarrow writes until it is closed: a writer that is let go writes its end."""

    closed = False

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._size = 0
        self.is_open = True

    def write(self, data: bytes) -> int:
        if self.is_open:
            self._out.write(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        if self.is_open:
            self._out.flush()


def _reader(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None
) -> pa.RecordBatchReader:
    """The answer's batches, as DuckDB makes them; 2.0 would hold all of what `execute` gives."""
    is_first = duckdb.__version__.startswith("1.")
    asked: Any = (
        connection.execute(query, parameters)
        if is_first
        else connection.sql(query, params=parameters)
    )
    description = None if asked is None else asked.description
    if not description or is_silent(query, [name for name, *_ in description]):
        raise ParameterError(NO_ROWS)
    for name, kind, *_ in description:
        if found := _unfaithful(kind):
            raise ParameterError(
                f"column {name!r} has the type {found}, which Parquet cannot hold as it is; "
                f'cast it to VARCHAR: "{name}"::varchar'
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        read = (
            getattr(asked, "to_arrow_reader", None) or asked.fetch_record_batch
        )  # 1.4 has but this
        return read(_BATCH_ROWS)


def _unfaithful(kind: Any) -> str | None:
    """The DuckDB type, or the part of it, that would not arrive as it is."""
    if kind.id in _UNFAITHFUL:
        return str(kind)
    if kind.id not in ("list", "array", "struct", "map"):
        return None
    parts = (
        _unfaithful(part) for _, part in kind.children if hasattr(part, "id")
    )  # an array has its size, too
    return next((found for found in parts if found), None)


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except (OSError, pa.ArrowException) as error:
        raise duckdb.Error(str(error)) from error  # whose words it has
