"""Parquet files: small ones of the lake, read whole, and those that are not in it yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lake.storage import DamagedError, Lake


@dataclass(frozen=True)
class StagedFile:
    """A finished file on this machine's disk, unpublished; whoever has it publishes or removes it."""

    file: Path
    row_count: int

    def row_groups(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Its rows, a row group at a time, with all columns or those given."""
        with pq.ParquetFile(self.file) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns)


def read_whole(lake: Lake, path: str) -> pa.Table:
    """The file's rows. Raises FileNotFoundError, and DamagedError where it is no Parquet file."""
    try:
        with lake.open(path) as file:
            return pq.ParquetFile(file).read()
    except pa.ArrowException as error:
        raise DamagedError(
            f"{lake.uri}/{path} cannot be read ({error}); `imagelake status --verify` names what is "
            "damaged"
        ) from error
