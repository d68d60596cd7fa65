"""The analysis views say what a small history, written by hand, holds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.tables import TABLES
from schemas.view import View, views
from tests.analysis import key_of
from tests.filtered_history import DAY_1, DAY_2, DAY_3, ECR, HOME, OTHER, A, B, C, D, warehouse
from tests.rows import arn_of, noon, rows
from tests.small_runs import small_lake, small_warehouse

__all__ = ["small_lake", "small_warehouse", "warehouse"]  # fixtures are used by their names


@pytest.fixture(scope="module")
def history(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(warehouse) as connection:
        yield connection


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse over a lake without a run."""
    root = tmp_path_factory.mktemp("nothing")
    publish(open_folder(str(root / "lake")), root / "imagelake.duckdb")
    with connect(root / "imagelake.duckdb") as connection:
        yield connection


def test_current_targets_are_the_newest_complete_captures(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """A denial shows the capture before it, a filtered look hides no whole one."""
    query = """
        select account_id, region, snapshot_date, captured_at, status, coverage, builds
        from current_targets order by all
    """
    assert rows(history, query) == [
        (*C, DAY_1, noon(DAY_1), "complete", "whole", 2),
        (*A, DAY_3, noon(DAY_3), "complete", "whole", 9),
        (*B, DAY_1, noon(DAY_1), "complete", "whole", 2),
        (*D, DAY_2, noon(DAY_2), "complete", "filtered", 1),
    ]


def test_current_builds_are_those_of_the_current_targets(
    history: duckdb.DuckDBPyConnection,
) -> None:
    query = "select snapshot_date, arn, state_status from current_builds order by all"
    assert rows(history, query) == [
        (DAY_1, arn_of(C, "web/3.0.0/1"), "AVAILABLE"),
        (DAY_1, arn_of(C, "web/3.0.0/2"), "BUILDING"),
        (DAY_1, arn_of(B, "batch/1.0.0/1"), "FAILED"),
        (DAY_1, arn_of(B, "web/1.0.0/1"), "AVAILABLE"),
        (DAY_2, arn_of(D, "tool/1.0.0/1"), "AVAILABLE"),
        (DAY_3, arn_of(A, "app/1.0.0/1"), "AVAILABLE"),
        (DAY_3, arn_of(A, "app/1.0.0/2"), "BUILDING"),
        (DAY_3, arn_of(A, "db/1.0.0/1"), "AVAILABLE"),
        (DAY_3, arn_of(A, "db/2.0.0/1"), "DISABLED"),
        (DAY_3, arn_of(A, "old/2019.12.3/1"), "AVAILABLE"),
        (DAY_3, arn_of(A, "web/1.10.0/1"), "AVAILABLE"),
        (DAY_3, arn_of(A, "web/1.10.0/2"), "FAILED"),
        (DAY_3, arn_of(A, "web/1.11.0/1"), "DEPRECATED"),
        (DAY_3, arn_of(A, "web/1.9.0/1"), "AVAILABLE"),
    ]


def test_current_amis_are_those_of_the_current_builds(history: duckdb.DuckDBPyConnection) -> None:
    query = "select position, ami_id, state_status from current_amis order by ami_id"
    assert rows(history, query) == [
        (0, "ami-batch/1.0.0/1-eu-west-1", "FAILED"),
        (0, "ami-db/2.0.0/1-us-east-1", "AVAILABLE"),
        (0, "ami-old/2019.12.3/1-us-east-1", "AVAILABLE"),
        (0, "ami-web/1.0.0/1-eu-west-1", None),
        (1, "ami-web/1.10.0/1-eu-west-1", "FAILED"),
        (0, "ami-web/1.10.0/1-us-east-1", "AVAILABLE"),
        (2, "ami-web/1.10.0/1-us-west-2", None),
        (0, "ami-web/1.10.0/2-us-east-1", None),
        (0, "ami-web/1.11.0/1-us-east-1", "AVAILABLE"),
        (1, "ami-web/1.9.0/1-eu-west-1", "AVAILABLE"),
        (0, "ami-web/1.9.0/1-us-east-1", "AVAILABLE"),
    ]


def test_current_containers_have_a_row_a_uri(history: duckdb.DuckDBPyConnection) -> None:
    """Two tags and one digest of one image are three URIs."""
    query = """
        select image_arn, position, uri_position, registry, repository, tag, digest
        from current_containers order by uri_position
    """
    image = (arn_of(A, "app/1.0.0/1"), 0)
    assert rows(history, query) == [
        (*image, 0, ECR, "app", "1.0.0", None),
        (*image, 1, ECR, "app", "latest", None),
        (*image, 2, ECR, "app", None, "sha256:abc"),
    ]


def test_tags_have_a_row_each(history: duckdb.DuckDBPyConnection) -> None:
    """An empty value is a value; a superseded run's tags are not there."""
    query = "select snapshot_date, image_arn, tag_key, tag_value from {} order by all"
    expected = [
        (DAY_1, arn_of(B, "web/1.0.0/1"), "Team", "b"),
        (DAY_3, arn_of(A, "web/1.9.0/1"), "Stage", ""),
        (DAY_3, arn_of(A, "web/1.9.0/1"), "Team", "web"),
    ]
    assert rows(history, query.format("image_tags")) == expected
    assert rows(history, query.format("current_tags")) == expected


def test_a_golden_image_is_the_newest_available_version(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """1.10.0 is newer than 1.9.0; failed, deprecated and disabled builds, and those that left no
    AMI or container behind, are none."""
    query = """
        select account_id, region, image_slug, semantic_version, build_number, arn
        from golden_images order by all
    """
    assert rows(history, query) == [
        (*A, "app", "1.0.0", 1, arn_of(A, "app/1.0.0/1")),
        (*A, "old", "2019.12.3", 1, arn_of(A, "old/2019.12.3/1")),
        (*A, "web", "1.10.0", 1, arn_of(A, "web/1.10.0/1")),
        (*B, "web", "1.0.0", 1, arn_of(B, "web/1.0.0/1")),
    ]


def test_a_golden_ami_is_the_newest_available_one_of_its_region(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """Where the newest build's AMI failed the build before stands, and says so."""
    query = """
        select account_id, image_slug, ami_region, ami_account_id, ami_id, is_newest_build
        from golden_amis order by all
    """
    assert rows(history, query) == [
        (HOME, "old", "us-east-1", HOME, "ami-old/2019.12.3/1-us-east-1", True),
        (HOME, "web", "eu-west-1", HOME, "ami-web/1.9.0/1-eu-west-1", False),
        (HOME, "web", "us-east-1", HOME, "ami-web/1.10.0/1-us-east-1", True),
        (HOME, "web", "us-west-2", HOME, "ami-web/1.10.0/1-us-west-2", True),
        (OTHER, "web", "eu-west-1", OTHER, "ami-web/1.0.0/1-eu-west-1", True),
    ]


def test_a_failed_build_says_what_failed_and_where(history: duckdb.DuckDBPyConnection) -> None:
    """The component's words come first, then the distribution's."""
    query = "select * exclude (snapshot_date, captured_at) from failed_builds order by arn"
    home = (*A, arn_of(A, "web/1.10.0/2"), "WEB", "AMI", "Linux", HOME, "web", "1.10.0", 2, None)
    other = (
        *B,
        arn_of(B, "batch/1.0.0/1"),
        "BATCH",
        "AMI",
        "Linux",
        OTHER,
        "batch",
        "1.0.0",
        1,
        None,
    )
    component = ("arn:component", "build", "Install", "ExecuteBash")
    words = ("exit status 1", "/aws/imagebuilder/web")
    assert rows(history, query) == [
        (
            *other,
            noon(DAY_1, 2),
            "DISTRIBUTING",
            None,
            None,
            None,
            None,
            None,
            1,
            "1 region failed",
            None,
        ),
        (*home, noon(DAY_3, 1), "BUILDING", "ApplyBuildComponents", *component, 2, *words),
    ]


def test_the_tables_show_each_date_once(history: duckdb.DuckDBPyConnection) -> None:
    query = "select snapshot_date, count(*) from {} group by all order by all"
    assert rows(history, query.format("image_builds")) == [(DAY_1, 5), (DAY_2, 2), (DAY_3, 10)]
    assert rows(history, query.format("image_amis")) == [(DAY_1, 3), (DAY_3, 9)]
    assert rows(history, query.format("snapshots")) == [(DAY_1, 1), (DAY_2, 1), (DAY_3, 1)]


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
def test_a_views_grain_is_its_key(history: duckdb.DuckDBPyConnection, view: View) -> None:
    """No two rows of the history share the columns that the grain names."""
    key = ", ".join(key_of(view))
    twice = f"select {key}, count(*) from {view.name} group by {key} having count(*) > 1"  # noqa: S608 - the views' own words
    assert rows(history, twice) == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_tables_key_is_unique(history: duckdb.DuckDBPyConnection, table: Any) -> None:
    key = ", ".join(table.key)
    twice = f"select {key} from {table.name} group by {key} having count(*) > 1"  # noqa: S608 - the tables' own words
    assert rows(history, twice) == []


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
def test_a_views_example_runs(
    history: duckdb.DuckDBPyConnection, nothing: duckdb.DuckDBPyConnection, view: View
) -> None:
    """On a lake with builds and on one without; it reads the view that it is an example of."""
    assert re.search(rf"\b{view.name}\b", view.example)
    history.execute(view.example).fetchall()
    nothing.execute(view.example).fetchall()


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
def test_a_view_asks_a_question(view: View) -> None:
    """In words, which its example answers: the README and `imagelake views` show both."""
    assert view.asks.endswith("?"), f"{view.name}.sql: it has no line `-- asks: …?`"


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
def test_a_view_of_nothing_is_empty(nothing: duckdb.DuckDBPyConnection, view: View) -> None:
    assert rows(nothing, f"from {view.name}") == []


def plain_columns(connection: duckdb.DuckDBPyConnection, view: str) -> str:
    """All of a view's columns; instants as epoch microseconds, which no time zone changes."""
    return ", ".join(
        f"epoch_us({name}) as {name}" if kind == "TIMESTAMP WITH TIME ZONE" else name
        for name, kind, *_ in connection.execute(f"describe {view}").fetchall()
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["warehouse", "small_warehouse"])
def test_no_view_depends_on_the_sessions_time_zone(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Days are UTC days and instants are instants, in New York and on Kiritimati too."""
    warehouse = request.getfixturevalue(name)
    names = (*TABLES, *(view.name for view in views()), "visible_runs")
    found = []
    with connect(warehouse) as connection:
        connection.begin()  # so that now() is the same for both
        for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
            connection.execute(f"set timezone = '{zone}'")
            columns = {name: plain_columns(connection, name) for name in names}
            queries = {name: f"select {columns[name]} from {name}" for name in names}  # noqa: S608 - the views' own words
            found.append(
                {
                    name: sorted(map(repr, rows(connection, query)))
                    for name, query in queries.items()
                }
            )
    assert found[0] == found[1] == found[2]
    assert all(found[0][name] for name in TABLES)
