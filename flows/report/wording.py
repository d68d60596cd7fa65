"""Numbers in words, as the report's sentences need them."""

from __future__ import annotations

from flows.report.content import Column, Row, Table
from flows.report.reading import Answer
from flows.terminal import counted


def of_all(number: int, total: int, noun: str) -> str:
    """`3 of 12 targets`."""
    return f"{number:,} of {counted(total, noun)}"


def percent(part: float, whole: float = 1) -> str:
    """`5.5%`; never 0% of some or 100% of not all."""
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f}%"
    return f"{min(max(share, 0.1), 99.9):.1f}%"


def is_or_are(number: int) -> str:
    """The verb that fits the number."""
    return "is" if number == 1 else "are"


def was_or_were(number: int) -> str:
    """The same of what was."""
    return "was" if number == 1 else "were"


def table_of(title: str, answer: Answer, *columns: tuple[str, str, str], note: str = "") -> Table:
    """An answer's rows as a table of columns (key, heading, kind).

    Two columns are of several: `target` (account_id, region) and `build` (name, version).
    """
    described = [Column(*column) for column in columns]
    rows = [with_pairs(row) for row in answer.rows]
    return Table(title, described, rows, answer.total, answer.more, note)


def with_pairs(row: Row) -> Row:
    """The row with its pairs for the columns `target` and `build`."""
    return {
        **row,
        "target": (row.get("account_id"), row.get("region")),
        "build": (row.get("name"), row.get("version")),
    }
