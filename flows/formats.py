"""The forms in which rows are written."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class FileFormat(StrEnum):
    """How views are exported."""

    PARQUET = "parquet"
    CSV = "csv"


class Listing(StrEnum):
    """How views and tables are listed."""

    TABLE = "table"
    JSON = "json"


def format_of(path: Path) -> Format | None:
    """The form that a file's name ends with; None where it is none of them."""
    ending = path.suffix.removeprefix(".").lower()
    return Format(ending) if ending in list(Format) else None
