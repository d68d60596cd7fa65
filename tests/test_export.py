"""Views become files: Parquet, or CSV to the letter or safe for Excel."""

import csv
import json
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from flows.exporting import export
from flows.formats import FileFormat
from flows.parameters import ParameterError
from lake.folder import Folder
from lake.warehouse import connect, publish
from schemas.tables import TABLES
from schemas.view import views
from tests.hostile_lake import HOSTILE, hostile_warehouse
from tests.rows import build, covered, rows
from tests.small_history import DAYS, HOME
from tests.small_runs import history, small_lake, small_warehouse
from tests.test_writer import commit_rows

__all__ = ["history", "hostile_warehouse", "small_lake", "small_warehouse"]
EVERY_DATES = {
    "image_builds",
    "image_amis",
    "image_containers",
    "image_region_failures",
    "image_tags",
}
"""What is exported only where it is named."""


def silent(_: str) -> None:
    """Says nothing."""


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.slow
def test_all_views_are_exported_as_parquet(
    history: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Each file has its view's columns, types and rows; it is named for the view."""
    count = export(history, tmp_path / "out", FileFormat.PARQUET, [], silent)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    expected = {*(view.name for view in views()), *TABLES, "visible_runs"} - EVERY_DATES
    assert names == {f"{name}.parquet" for name in expected}
    assert count == len(expected)
    for name in expected:
        path = tmp_path / "out" / f"{name}.parquet"
        columns = "* exclude (age_hours)" if name.endswith("target_freshness") else "*"
        told = f"select {columns} from {name} order by all"  # noqa: S608 - the views' own words
        found = f"select {columns} from read_parquet('{path}') order by all"  # noqa: S608
        assert rows(history, found) == rows(history, told)


def test_csv_has_the_rows_as_text(history: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """NULL is empty, an instant has its zone or is UTC by its name, what is nested is JSON."""
    export(history, tmp_path, FileFormat.CSV, ["current_tags", "current_builds", "bi.tags"], silent)
    names, *found = read_csv(tmp_path / "current_builds.csv")
    told = {row[names.index("arn")].partition("image/")[2]: row for row in found}
    web = dict(zip(names, told["web/1.9.0/1"], strict=True))
    assert json.loads(web["tags"]) == {"Team": "web", "Stage": ""}
    assert (web["created_at"], web["deprecation_time"]) == ("2025-11-15 00:30:00+00:00", "")
    assert len(found) == 16
    tags = read_csv(tmp_path / "bi.tags.csv")[1:]
    assert sorted(row[-2:] for row in tags) == [["Stage", ""], ["Team", "api"], ["Team", "web"]]


FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
)
HARMLESS = ("a=1", " =1", "'=1", "", "1-1", "é", '"=1')


def test_excel_safe_csv_begins_no_formula(folder: Folder, tmp_path: Path) -> None:
    """An apostrophe before a text that begins one, its quotes and lines kept; numbers as they are."""
    names = [*FORMULAS, *HARMLESS]
    builds = [
        {**build(HOME, DAYS[0], f"web/1.0.0/{n}", "AVAILABLE"), "name": name, "version_major": -n}
        for n, name in enumerate(names)
    ]
    commit_rows(
        folder,
        DAYS[0],
        {
            "image_builds": builds,
            "snapshot_targets": [covered(HOME, DAYS[0], "complete", "whole", len(builds))],
        },
    )
    publish(folder, tmp_path / "asked.duckdb")
    exported: list[list[list[str]]] = []
    with connect(tmp_path / "asked.duckdb") as connection:
        for is_excel_safe in (True, False):
            export(
                *(connection, tmp_path, FileFormat.CSV, ["current_builds"], silent),
                is_excel_safe=is_excel_safe,
            )
            exported.append(read_csv(tmp_path / "current_builds.csv"))
    safe, plain = (
        {row[head.index("version_major")]: row[head.index("name")] for row in found}
        for head, *found in exported
    )
    assert plain == {str(-n): name for n, name in enumerate(names)}
    escaped = [*(f"'{name}" for name in FORMULAS), *HARMLESS]
    assert safe == {str(-n): name for n, name in enumerate(escaped)}


def test_excel_safe_is_for_csv(history: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--excel-safe: it is for --format csv"):
        export(history, tmp_path, FileFormat.PARQUET, [], silent, is_excel_safe=True)


def test_hostile_texts_come_back_to_the_letter(hostile_warehouse: Path, tmp_path: Path) -> None:
    """Quotes, line ends and escapes of a name end no cell."""
    with connect(hostile_warehouse) as connection:
        for form in FileFormat:
            export(connection, tmp_path, form, ["failed_builds"], silent)
    names, *found = read_csv(tmp_path / "failed_builds.csv")
    assert {row[names.index("name")] for row in found} == {HOSTILE}
    assert {len(row) for row in found} == {len(names)}
    table = pq.read_table(tmp_path / "failed_builds.parquet")
    assert set(table["name"].to_pylist()) == {HOSTILE}
    assert table.num_rows == len(found) == 60


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("golden_amix", "'golden_amix' is no view, table or macro; did you mean golden_amis or"),
        ("bi.bulds", "did you mean bi.builds"),
        ("../../etc/passwd", "'../../etc/passwd' is no view, table or macro"),
        ("golden_amis; drop table x", "is no view, table or macro"),
        (
            "snapshot_diff",
            "it is a macro, which has rows of a day only; write them with `imagelake sql",
        ),
        ("builds_as_of('2025-11-20')", "it is a macro"),
        ("golden_amis(1)", "is no view; `imagelake views` lists them"),
    ],
)
def test_what_is_no_view_is_refused_before_anything_is_written(
    history: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, told: str
) -> None:
    with pytest.raises(ParameterError) as refused:
        export(history, tmp_path / "out", FileFormat.CSV, ["bi.builds", name], silent)
    assert told in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_view_that_is_named_twice_is_written_once(
    history: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert export(history, tmp_path, FileFormat.CSV, ["bi.tags", "BI.TAGS"], silent) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bi.tags.csv"]


def test_an_empty_lake_gives_files_without_rows(folder: Folder, tmp_path: Path) -> None:
    """With their columns, for the tool that is set up before the first run."""
    publish(folder, tmp_path / "empty.duckdb")
    with connect(tmp_path / "empty.duckdb") as connection:
        for form in FileFormat:
            export(connection, tmp_path / "out", form, ["bi.builds", "bi.calendar"], silent)
        columns = [name for name, *_ in rows(connection, "describe bi.builds")]
    assert read_csv(tmp_path / "out" / "bi.builds.csv") == [columns]
    table = pq.read_table(tmp_path / "out" / "bi.builds.parquet")
    assert (table.column_names, table.num_rows) == (columns, 0)
