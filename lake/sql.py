"""Values as SQL literals: text from outside reaches a statement only through here."""

from __future__ import annotations


def text(value: str) -> str:
    """An SQL string literal."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
