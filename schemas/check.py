"""The data checks: one `.sql` file each, asked of a run's tables before they are committed.

A check selects what is wrong: `account_id, region, what`, a row a finding, the last one words. The
header's `severity` says what a finding does: `error` stops the commit, `warning` is told. Besides
the run's tables a check may read `landed` (the rows that the landed pages give each target),
`earlier_captures` (each target's newest whole capture before this one) and `settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from schemas.sqlfile import sql_files

ERROR: Final = "error"
WARNING: Final = "warning"


@dataclass(frozen=True)
class Check:
    """A check: its name, what a finding means, how severe it is, its SQL."""

    name: str
    purpose: str
    severity: str
    sql: str


@cache
def checks() -> tuple[Check, ...]:
    """Every check, by name."""
    return tuple(
        Check(file.name, file.purpose, file.fields["severity"], file.sql)
        for file in sql_files("checks", ("severity",))
    )
