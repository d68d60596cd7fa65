"""The newest row of each key is whole and right, however many runs wrote it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from lake.folder import Folder
from lake.warehouse import connect, publish
from tests.many_runs import KEYS, many_runs, many_written, newest_query
from tests.warehouses import warehouse

__all__ = ["many_runs", "many_written", "warehouse"]  # fixtures are used by their names


@pytest.fixture(scope="module")
def many_rows(many_runs: Folder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("warehouse") / "many.duckdb"
    publish(many_runs, path)
    with connect(path) as connection:
        yield connection


@pytest.mark.slow
@pytest.mark.parametrize("view", KEYS)
def test_the_newest_row_of_each_key_is_whole_and_right(
    many_rows: duckdb.DuckDBPyConnection, view: str
) -> None:
    """As plain Python finds it among all rows: DuckDB 1.5 could give other rows' values."""
    everything = many_rows.execute(f"select * from {view}")  # noqa: S608 - the tests' own words
    names = [column[0] for column in everything.description or []]
    order = names.index("version_major" if view == "current_builds" else "snapshot_date")
    keys = [names.index(name) for name in KEYS[view].split(", ")]
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in everything.fetchall():
        key = tuple(row[position] for position in keys)
        if key not in newest or row[order] > newest[key][order]:
            newest[key] = row
    found = many_rows.execute(newest_query(view)).fetchall()
    assert len(newest) > 15
    assert sorted(map(repr, found)) == sorted(map(repr, newest.values()))


@pytest.mark.slow
@pytest.mark.parametrize("view", ["image_builds", "image_amis", "snapshot_targets"])
def test_the_rows_are_those_of_the_newest_runs_files(
    many_runs: Folder, many_rows: duckdb.DuckDBPyConnection, view: str
) -> None:
    """As pyarrow reads them from the files of each date's newest run: none more, none less."""
    visible = many_rows.execute("select snapshot_date, run_id from visible_runs").fetchall()
    assert len(visible) == 4
    expected = [
        (day, run_id, *(_plain(value) for value in row.values()))
        for day, run_id in visible
        for file in many_runs.files(f"{view}/snapshot_date={day}/run_id={run_id}")
        for row in pq.ParquetFile(many_runs.path(file.path)).read().to_pylist()
    ]
    shown = many_rows.execute(f"select * from {view}").fetchall()  # noqa: S608 - the tests' own words
    found = [tuple(_plain(value) for value in row) for row in shown]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def _plain(value: Any) -> Any:
    """A value alike from pyarrow and from DuckDB: instants as epoch seconds, maps as dicts."""
    if isinstance(value, datetime):
        return value.timestamp()
    return dict(value) if isinstance(value, list) else value
