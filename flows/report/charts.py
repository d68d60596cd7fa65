"""The shapes of the report's charts, as Vega-Lite specifications.

Colours are the page's CSS variables, so that one drawing is readable on light, dark and paper.
Values reach a specification as data only, every control character in them written out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from math import ceil
from typing import Any, Final

import altair as alt

from flows.report.content import Row
from flows.terminal import printable

_HEIGHT: Final = 200
_BAR_STEP: Final = 36
_DAYS_TOLD: Final = 8
_WORDS: Final = 48
"""Characters of a bar's words; its table has all of them."""
_TEXT: Final = 12
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

Colours = Mapping[str, str]
"""By series, in the order of the legend and of the stack from its foot, the CSS variable of it."""


def columns_by_day(
    rows: Sequence[Row], days: Sequence[date], series: Colours, counted: str
) -> dict[str, Any]:
    """Stacked columns: one for each of `days`, of rows with `day`, `series` and `count`."""
    places = list(series)
    placed = [{**row, "place": places.index(row["series"])} for row in rows]
    chart = (
        alt.Chart(_data(placed), height=_HEIGHT)
        .mark_bar()
        .encode(
            x=_days(days),
            y=_amount(rows, "day"),
            color=_colour(series),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("day:N", title="day"),
                alt.Tooltip("series:N", title=" "),
                alt.Tooltip("count:Q", title=counted, format=",d"),
            ],
        )
    )
    return _finished(chart)


def rate_by_day(rows: Sequence[Row], days: Sequence[date]) -> dict[str, Any]:
    """A line of `week_rate` over `days`, and dots of `rate` (both 0 to 1), of rows with `day`.

    The newest week's share is written at the line's end.
    """
    base = alt.Chart(_data(rows), height=_HEIGHT).encode(
        x=_days(days),
        tooltip=[
            alt.Tooltip("day:N", title="day"),
            alt.Tooltip("rate:Q", title="that day", format=".1%"),
            alt.Tooltip("week_rate:Q", title="seven days up to it", format=".1%"),
        ],
    )
    share = alt.Y("week_rate:Q", title=None).scale(domain=[0, 1])
    share = share.axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    line = base.mark_line(color="var(--accent)", strokeWidth=2.25, strokeJoin="round")
    dots = base.mark_circle(color="var(--dot)", size=22, opacity=1).encode(
        y=alt.Y("rate:Q", title=None)
    )
    last = (
        base.mark_text(align="right", dy=-12, color="var(--ink)", fontWeight=600)
        .encode(y=share, text=alt.Text("week_rate:Q", format=".1%"))
        .transform_filter("isValid(datum.week_rate)")
        .transform_window(newest="row_number()", sort=[alt.SortField("day", order="descending")])
        .transform_filter("datum.newest === 1")
    )
    return _finished(alt.layer(dots, line.encode(y=share), last))


def bars(rows: Sequence[Row], counted: str, colour: str) -> dict[str, Any]:
    """Bars in the rows' order, of rows with `label` and `count`; the words above each."""
    placed = [
        {**row, "place": place, "words": _shortened(row["label"])} for place, row in enumerate(rows)
    ]
    base = alt.Chart(_data(placed), height=_BAR_STEP * len(rows)).encode(
        y=alt.Y("place:O", axis=None).scale(padding=0),
        tooltip=[
            alt.Tooltip("label:N", title=" "),
            alt.Tooltip("count:Q", title=counted, format=",d"),
        ],
    )
    words = base.mark_text(
        align="left", baseline="middle", dy=-5, limit=alt.expr("(width - 60) * 0.8")
    )
    numbers = base.mark_text(align="right", baseline="middle", dy=-5, fontWeight=600)
    track = base.mark_bar(height=6, yOffset=10, color="var(--track)")
    drawn = base.mark_bar(height=6, yOffset=10, color=colour)
    chart = alt.layer(
        track.encode(x=alt.value(0), x2=alt.value("width")),
        drawn.encode(x=alt.X("count:Q", axis=None).scale(nice=False, zero=True)),
        words.encode(x=alt.value(0), text="words:N"),
        numbers.encode(x=alt.value("width"), text=alt.Text("count:Q", format=",d")),
    )
    return _finished(chart)


def columns(rows: Sequence[Row], series: Colours, counted: str) -> dict[str, Any]:
    """Columns in the rows' order, of rows with `label`, `series` and `count`; each total above."""
    places = list(series)
    labels = list(dict.fromkeys(printable(str(row["label"])) for row in rows))
    placed = [{**row, "place": places.index(row["series"])} for row in rows]
    base = alt.Chart(_data(placed), height=_HEIGHT).encode(
        x=alt.X("label:N", sort=labels, title=None)
        .axis(labelAngle=0, ticks=False, labelPadding=8, labelExpr="split(datum.label, ' ')")
        .scale(paddingInner=0.3, paddingOuter=0.15),
    )
    drawn = base.mark_bar().encode(
        y=_amount(rows, "label"),
        color=_colour(series, legend=len(series) > 1),
        order=alt.Order("place:Q"),
        tooltip=[
            alt.Tooltip("label:N", title="when"),
            alt.Tooltip("series:N", title=" "),
            alt.Tooltip("count:Q", title=counted, format=",d"),
        ],
    )
    totals = base.mark_text(dy=-8, color="var(--ink)", fontWeight=600).encode(
        y=alt.Y("sum(count):Q", title=None), text=alt.Text("sum(count):Q", format=",d")
    )
    return _finished(alt.layer(drawn, totals))


def _amount(rows: Sequence[Row], by: str) -> alt.Y:
    """Counts stacked on each other, with ticks at whole numbers."""
    totals: Counter[Any] = Counter()
    for row in rows:
        totals[row[by]] += row["count"]
    ticks = min(4, max(1, *totals.values(), 1))
    return alt.Y("count:Q", stack="zero", title=None).axis(tickCount=ticks, format=",d")


def _days(days: Sequence[date]) -> alt.X:
    """The days as bands, which need no arithmetic with times; the newest is always labelled."""
    names = [day.isoformat() for day in sorted(days)]
    told = names[:: -ceil(len(names) / _DAYS_TOLD)]
    return (
        alt.X("day:O", title=None)
        .scale(domain=names, padding=0.12)
        .axis(
            values=told[::-1],
            labelAngle=0,
            ticks=False,
            labelPadding=10,
            labelOverlap="greedy",
            labelSeparation=24,
        )
    )


def _colour(series: Colours, *, legend: bool = True) -> alt.Color:
    colour = alt.Color("series:N", title=None).scale(
        domain=[printable(name) for name in series], range=list(series.values())
    )
    return colour if legend else colour.legend(None)


def _shortened(text: str) -> str:
    told = printable(text)
    return told if len(told) <= _WORDS else f"{told[: _WORDS - 1]}…"


def _data(rows: Sequence[Row]) -> alt.InlineData:
    return alt.InlineData(
        values=[{name: _plain(value) for name, value in row.items()} for row in rows]
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    return value.isoformat() if isinstance(value, date) else value


def _finished(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> dict[str, Any]:
    """The specification with the page's type and colours; its width is given when it is drawn."""
    styled = (
        chart.properties(
            background="transparent",
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        .configure(font=_FONT, padding=2, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)",
            labelFontSize=_TEXT,
            domainColor="var(--line)",
            gridColor="var(--line)",
            tickColor="var(--line)",
            labelPadding=6,
        )
        .configure_legend(
            orient="top",
            direction="horizontal",
            labelColor="var(--ink)",
            labelFontSize=_TEXT,
            symbolType="square",
            symbolSize=90,
            columnPadding=28,
            offset=16,
            columns=0,
        )
        .configure_text(fontSize=_TEXT, color="var(--ink)")
    )
    return dict(styled.to_dict())
