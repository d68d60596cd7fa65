"""The files of data/superset, written from the declared dashboards and the views of the schema `bi`.

`make dashboards` writes them, and a test says when they are not those of the code.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from flows.superset.bundle import FOLDERS, WAREHOUSE_URI
from flows.superset.charts import VERSION, Chart, Dashboard, Dataset, Filter, identifier
from flows.superset.dashboards import DASHBOARDS
from flows.superset.forms import params, query_context
from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.view import BI, view_named

FOLDER: Final = Path(__file__).parents[2] / "data" / "superset"
DATABASE: Final = "imagelake"
_DATABASE_UUID: Final = identifier("database", DATABASE)
_FORMS: Final = {"rate": ".1%", "share": ".1%", "hours": ",.1f", "days": ",.1f", "minutes": ",.1f"}
"""How a measure is written, by its name's last word; else as a whole number."""
_SPELLED: Final = {"ami": "AMI", "amis": "AMIs", "arn": "ARN", "id": "ID", "os": "OS", "uri": "URI"}

Column = tuple[str, str, str]
"""A column's name, type and comment."""


def main() -> None:
    """Writes every file anew and removes what is no longer declared."""
    for folder in FOLDERS:
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def files() -> dict[str, str]:
    """By path in the bundle, the text of each file."""
    contents: dict[str, dict[str, Any]] = {
        "metadata.yaml": {
            "version": VERSION,
            "type": "Dashboard",
            "timestamp": "2025-01-01T00:00:00+00:00",
        },
        f"databases/{DATABASE}.yaml": _database(),
    }
    columns = _columns()
    charts = list(_charts())
    for dataset in {chart.dataset.view: chart.dataset for chart in charts}.values():
        contents[f"datasets/{DATABASE}/{dataset.view}.yaml"] = _dataset(
            dataset, columns[dataset.view]
        )
    for chart in charts:
        contents[f"charts/{_file_name(chart.title)}.yaml"] = _chart(chart)
    for dashboard in DASHBOARDS:
        contents[f"dashboards/{dashboard.slug}.yaml"] = _dashboard(dashboard)
    return {
        name: yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100).replace(
            f"'{WAREHOUSE_URI}'", WAREHOUSE_URI
        )
        for name, content in contents.items()
    }


def _charts() -> Iterator[Chart]:
    for dashboard in DASHBOARDS:
        for row in dashboard.rows:
            yield from row


def _file_name(title: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in title.lower())


def _columns() -> dict[str, list[Column]]:
    """By view of the schema `bi`, its columns, as a warehouse has them."""
    columns: dict[str, list[Column]] = {}
    with TemporaryDirectory() as folder:
        warehouse = Path(folder) / "imagelake.duckdb"
        publish(open_folder(str(Path(folder) / "lake")), warehouse)
        with connect(warehouse) as connection:
            rows = connection.execute(
                "select table_name, column_name, data_type, comment from duckdb_columns() "
                "where schema_name = ? order by table_name, column_index",
                [BI],
            ).fetchall()
    for view, *column in rows:
        columns.setdefault(view, []).append((column[0], column[1], column[2]))
    return columns


def _database() -> dict[str, Any]:
    return {
        "database_name": DATABASE,
        "sqlalchemy_uri": WAREHOUSE_URI,
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {"allows_virtual_table_explore": True},
        "uuid": _DATABASE_UUID,
        "version": VERSION,
    }


def _dataset(dataset: Dataset, columns: list[Column]) -> dict[str, Any]:
    view = view_named(f"{BI}.{dataset.view}")
    return {
        "table_name": dataset.view,
        "schema": BI,
        "main_dttm_col": dataset.time,
        "description": f"{view.purpose} Grain: {view.grain}.",
        "filter_select_enabled": True,
        "columns": [
            {
                "column_name": name,
                "verbose_name": _label(name),
                "is_dttm": kind in ("DATE", "TIMESTAMP"),
                "is_active": True,
                "type": kind,
                "groupby": True,
                "filterable": True,
                "description": comment,
            }
            for name, kind, comment in columns
        ],
        "metrics": [
            {
                "metric_name": name,
                "verbose_name": _label(name),
                "expression": expression,
                "description": meaning,
                "d3format": _FORMS.get(name.rpartition("_")[2], ",d"),
            }
            for name, (expression, meaning) in view.measures.items()
        ],
        "uuid": dataset.uuid,
        "version": VERSION,
        "database_uuid": _DATABASE_UUID,
    }


def _label(name: str) -> str:
    """A column's or measure's name as people read it: `captured_at_utc` is `Captured at (UTC)`."""
    words = name.removesuffix("_utc").replace("_", " ")
    words = " ".join(_SPELLED.get(word, word) for word in words.split())
    return f"{words[0].upper()}{words[1:]}" + (" (UTC)" if name.endswith("_utc") else "")


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "slice_name": chart.title,
        "description": chart.about or None,
        "viz_type": chart.kind,
        "params": params(chart),
        "query_context": query_context(chart),
        "uuid": chart.uuid,
        "version": VERSION,
        "dataset_uuid": chart.dataset.uuid,
    }


def _dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "dashboard_title": dashboard.title,
        "description": dashboard.about,
        "slug": dashboard.slug,
        "published": True,
        "position": dict(_position(dashboard)),
        "metadata": {
            "color_scheme": "supersetColors",
            "cross_filters_enabled": True,
            "refresh_frequency": 0,
            "native_filter_configuration": [_filter(one) for one in dashboard.filters],
        },
        "uuid": dashboard.uuid,
        "version": VERSION,
    }


def _position(dashboard: Dashboard) -> Iterator[tuple[str, Any]]:
    """The charts' places: rows of a grid, and in each its charts."""
    rows = [f"ROW-{number}" for number in range(1, len(dashboard.rows) + 1)]
    above = ["ROOT_ID", "GRID_ID"]
    yield "DASHBOARD_VERSION_KEY", "v2"
    yield "ROOT_ID", {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]}
    yield "GRID_ID", {"type": "GRID", "id": "GRID_ID", "children": rows, "parents": above[:1]}
    yield "HEADER_ID", {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": dashboard.title}}
    number = 0
    for row, charts in zip(rows, dashboard.rows, strict=True):
        names = [f"CHART-{chart.uuid[:8]}" for chart in charts]
        yield (
            row,
            {
                "type": "ROW",
                "id": row,
                "children": names,
                "parents": above,
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            },
        )
        for name, chart in zip(names, charts, strict=True):
            number += 1
            yield (
                name,
                {
                    "type": "CHART",
                    "id": name,
                    "children": [],
                    "parents": [*above, row],
                    "meta": {
                        "chartId": number,  # any: the import gives another, but needs one to replace
                        "uuid": chart.uuid,
                        "sliceName": chart.title,
                        "width": chart.width,
                        "height": chart.height,
                    },
                },
            )


def _filter(one: Filter) -> dict[str, Any]:
    chosen = {"enableEmptyFilter": False, "multiSelect": True, "searchAllOptions": True}
    is_select = one.dataset is not None
    return {
        "id": f"NATIVE_FILTER-{one.label.lower().replace(' ', '-')}",
        "name": one.label,
        "type": "NATIVE_FILTER",
        "filterType": "filter_select" if is_select else "filter_time",
        "targets": [{"datasetUuid": one.dataset.uuid, "column": {"name": one.column}}]
        if one.dataset
        else [{}],
        "controlValues": chosen if is_select else {},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "cascadeParentIds": [],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
        "description": "",
    }


if __name__ == "__main__":
    main()
