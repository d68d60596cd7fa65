"""What a report is made of: sections of figures and tables, in plain values that the page shows.

Sentences (`finding`, `lead`, `says` of a figure, `note`) hold words of ours, numbers and dates only:
what came from outside stands in cells, points and charts, where the page isolates it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A table's column: the rows' key, its heading, and how a value is shown.

    Kinds: `text`, `words` (a long text), `code` (an identifier), `build` and `target` (pairs, one
    below the other), `count`, `hours`, `days`, `share`, `date`, `instant`, `state` (a badge), `mark`
    (a `Mark`).
    """

    key: str
    label: str
    kind: str = "text"


@dataclass(frozen=True)
class Mark:
    """A sign in a matrix, its mood, and what it says to who cannot see it."""

    sign: str
    mood: str
    says: str


@dataclass(frozen=True)
class Table:
    """Rows under a title; where there are more than are shown, the query that gives them all."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: int
    query: str = ""
    note: str = ""

    @property
    def more(self) -> int:
        """Rows that are not shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Figure:
    """A chart: its Vega-Lite specification, what it shows in a sentence, its numbers as a table."""

    name: str
    title: str
    says: str
    spec: Mapping[str, Any]
    numbers: Table


@dataclass(frozen=True)
class Tile:
    """A number of the summary."""

    label: str
    value: str
    note: str = ""
    mood: str = "plain"


@dataclass(frozen=True)
class Point:
    """A line of an alarm: who or what, and what about it."""

    subject: str
    says: str


@dataclass(frozen=True)
class Alarm:
    """What must not be overlooked, with its points."""

    mood: str
    says: str
    points: Sequence[Point] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page: its name in the contents, and what it found, in a sentence.

    `pill` and `mood` stand beside its name in the contents. `tells_gaps`: the page says above its
    numbers what they lack.
    """

    name: str
    label: str
    finding: str
    lead: str = ""
    pill: str = ""
    mood: str = "plain"
    alarms: Sequence[Alarm] = ()
    tiles: Sequence[Tile] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    tells_gaps: bool = True


@dataclass(frozen=True)
class Fact:
    """A value in the page's head; its kind is a column's."""

    label: str
    value: Any
    kind: str = "text"


@dataclass(frozen=True)
class Report:
    """The whole page; `gaps` says what its numbers lack, empty where nothing."""

    title: str
    facts: Sequence[Fact]
    sections: Sequence[Section]
    gaps: str = ""
