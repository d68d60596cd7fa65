"""What a chart, a dataset and a dashboard are here, and how each is told to Superset.

One line declares a chart; what Superset keeps of one besides is the same for all of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("7c7f0f0a-6a53-5f0e-9d0e-1f6b0c0c2b11")
"""Every identifier follows from it and a name, so that a new bundle replaces what an older one made."""
VERSION: Final = "1.0.0"
ROW_LIMIT: Final = 1_000
BAR: Final = "echarts_timeseries_bar"
LINE: Final = "echarts_timeseries_line"
NUMBER: Final = "big_number_total"
TABLE: Final = "table"
DAY: Final = "P1D"
WEEK: Final = "P1W"
MONTH: Final = "P1M"
"""The kinds of charts and the grains of time, as Superset names them."""
LYING: Final = {"orientation": "horizontal", "show_legend": False}
"""Bars from left to right, whose names are read in full."""


def identifier(kind: str, name: str) -> str:
    """The fixed UUID of a database, dataset, chart or dashboard."""
    return str(uuid5(NAMESPACE, f"{kind}/{name}"))


@dataclass(frozen=True)
class Dataset:
    """A view of the schema `bi`, whose columns and measures it has; dates filter by its `time`."""

    view: str
    time: str | None = None

    @property
    def uuid(self) -> str:
        """Its identifier."""
        return identifier("dataset", self.view)


@dataclass(frozen=True)
class Chart:
    """A chart: its title, data, kind, and the columns and measures that it shows.

    `by` are the columns that it groups by, `over` its axis; a table without metrics shows its columns
    row by row. `where` are conditions as (column, operator, value). `order` is a column or measure and
    whether the smallest comes first.
    """

    title: str
    dataset: Dataset
    kind: str
    metrics: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    over: str | None = None
    grain: str | None = None
    where: tuple[tuple[str, str, Any], ...] = ()
    order: tuple[str, bool] | None = None
    limit: int = ROW_LIMIT
    width: int = 6
    height: int = 50
    about: str = ""
    look: dict[str, Any] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """Its identifier."""
        return identifier("chart", self.title)


@dataclass(frozen=True)
class Filter:
    """A dashboard's filter: a column of a dataset, or its dates where there is none."""

    label: str
    dataset: Dataset | None = None
    column: str | None = None


@dataclass(frozen=True)
class Dashboard:
    """A dashboard: its title, address, filters, and its charts by rows of twelve columns."""

    title: str
    slug: str
    about: str
    filters: tuple[Filter, ...]
    rows: tuple[tuple[Chart, ...], ...]

    @property
    def uuid(self) -> str:
        """Its identifier."""
        return identifier("dashboard", self.slug)


def number(title: str, dataset: Dataset, measure: str, about: str) -> Chart:
    """A measure in large figures, a quarter of a row wide."""
    return Chart(
        title,
        dataset,
        NUMBER,
        (measure,),
        width=3,
        height=18,
        look={"subtitle": about, "subtitle_font_size": 0.15},
    )
