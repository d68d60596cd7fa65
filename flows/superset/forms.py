"""A chart as Superset keeps it: the settings of its kind, and the query that it asks by itself."""

from __future__ import annotations

import json
from typing import Any, Final

from flows.superset.charts import DAY, Chart

_OPERATORS: Final = {"=": "==", "is not null": "IS NOT NULL", "is null": "IS NULL", "in": "IN"}
DATE_FORMAT: Final = "%Y-%m-%d"
_CELLS: Final = {
    "_date": {"d3TimeFormat": DATE_FORMAT},
    "_count": {"d3NumberFormat": ",d"},
    "_hours": {"d3NumberFormat": ",.1f"},
    "_seconds": {"d3NumberFormat": ",.1f"},
}
"""How a table's cells are written, by how the column's name ends."""
_OF_SERIES: Final = {
    "show_legend": True,
    "legendType": "scroll",
    "legendOrientation": "top",
    "rich_tooltip": True,
    "truncateXAxis": False,
    "tooltipTimeFormat": DATE_FORMAT,
    "x_axis_title_margin": 15,
    "y_axis_title_margin": 15,
    "show_empty_columns": True,
}
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "big_number_total": {"header_font_size": 0.4, "subheader_font_size": 0.125},
    "table": {"table_timestamp_format": "%Y-%m-%d %H:%M", "show_cell_bars": False},
    "echarts_timeseries_bar": {**_OF_SERIES, "orientation": "vertical", "stack": "Stack"},
    "echarts_timeseries_line": {**_OF_SERIES, "markerEnabled": True},
}


def params(chart: Chart) -> dict[str, Any]:
    """The settings of a chart: what Superset's own form of its kind would hold."""
    shown: dict[str, Any] = {
        "viz_type": chart.kind,
        "datasource": f"{chart.dataset.uuid}__table",
        "adhoc_filters": _filters(chart),
        "row_limit": chart.limit,
        "color_scheme": "supersetColors",
        **_LOOKS[chart.kind],
    }
    if chart.kind == "big_number_total":
        shown["metric"] = chart.metrics[0]
    elif chart.kind == "table":
        shown |= _table(chart)
    else:
        shown |= {"metrics": list(chart.metrics), "groupby": list(chart.by), "x_axis": chart.over}
        shown |= _sorted_axis(chart)
    return shown | chart.look


def query_context(chart: Chart) -> str:
    """The query of a chart by itself, as its reports, its cache and its API ask it."""
    query: dict[str, Any] = {
        "columns": _columns(chart),
        "metrics": list(chart.metrics),
        "filters": [
            {"col": one["subject"], "op": one["operator"], "val": one["comparator"]}
            for one in _filters(chart)
        ],
        "orderby": [[column, ascending] for column, ascending in _order(chart)],
        "row_limit": chart.limit,
        "extras": {"where": "", "having": ""},
        "annotation_layers": [],
    }
    if not chart.metrics:
        query.pop("metrics")
    whole = {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": [query],
        "form_data": params(chart),
        "result_format": "json",
        "result_type": "full",
    }
    return json.dumps(whole, sort_keys=True)


def _filters(chart: Chart) -> list[dict[str, Any]]:
    """Its own conditions, and the place where a dashboard's dates enter."""
    conditions = list(chart.where)
    if chart.dataset.time:
        conditions.append((chart.dataset.time, "TEMPORAL_RANGE", "No filter"))
    return [
        {
            "clause": "WHERE",
            "expressionType": "SIMPLE",
            "subject": column,
            "operator": _OPERATORS.get(operator, operator),
            "comparator": value,
        }
        for column, operator, value in conditions
    ]


def _table(chart: Chart) -> dict[str, Any]:
    if chart.metrics:
        return {
            "query_mode": "aggregate",
            "groupby": list(chart.by),
            "metrics": list(chart.metrics),
            "order_desc": True,
        }
    return {
        "query_mode": "raw",
        "column_config": {
            column: form
            for column in chart.by
            for end, form in _CELLS.items()
            if column.endswith(end)
        },
        "all_columns": list(chart.by),
        "order_by_cols": [json.dumps([column, ascending]) for column, ascending in _order(chart)],
    }


def _sorted_axis(chart: Chart) -> dict[str, Any]:
    """A time axis runs by time, another by the measure, the largest first."""
    if chart.grain:
        form = "%d %b" if chart.grain == DAY else "%b %Y"
        return {"time_grain_sqla": chart.grain, "x_axis_time_format": form}
    return {"x_axis_sort": chart.metrics[0], "x_axis_sort_asc": False}


def _columns(chart: Chart) -> list[Any]:
    if chart.over is None:
        return list(chart.by)
    if chart.grain is None:
        return [chart.over, *chart.by]
    axis = {
        "columnType": "BASE_AXIS",
        "expressionType": "SQL",
        "label": chart.over,
        "sqlExpression": chart.over,
        "timeGrain": chart.grain,
    }
    return [axis, *chart.by]


def _order(chart: Chart) -> list[tuple[str, bool]]:
    if chart.order:
        return [chart.order]
    return [(chart.metrics[0], False)] if chart.metrics and chart.over is None else []
