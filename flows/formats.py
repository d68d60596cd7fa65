"""The forms in which rows are printed."""

from enum import StrEnum


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
