"""Small Parquet files of the lake, read whole."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from lake.storage import DamagedError, Lake


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
