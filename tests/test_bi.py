"""The schema for BI tools: plain types, told columns, keys that join one to many, a calendar."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.view import BI, View, declared_columns, views
from tests.filtered_history import warehouse as filtered_warehouse
from tests.hostile_lake import hostile_warehouse
from tests.rows import ami, build, covered, rows
from tests.small_history import DAYS, HOME
from tests.small_runs import history, small_lake, small_warehouse
from tests.test_duckdb_versions import OTHER_VERSIONS, answers_of
from tests.test_writer import commit_rows

__all__ = ["filtered_warehouse", "history", "hostile_warehouse", "small_lake", "small_warehouse"]

OF_BI = {view.name: view for view in views() if view.name.startswith(f"{BI}.")}
ASKED_FOR = {
    *("bi.builds", "bi.amis", "bi.containers", "bi.build_outcomes", "bi.state_changes"),
    *("bi.coverage", "bi.targets", "bi.calendar"),
}
PLAIN = {"VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"}
CALENDAR_DATES = {"week_start", "month_start", "quarter_start", "year_start"}
BEYOND_THE_CALENDAR = {"deprecation_date"}
"""What is said to join as far as the calendar goes: to the end of 2026 in these histories."""


@pytest.fixture(
    scope="module",
    params=[
        "small_warehouse",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("hostile_warehouse", "filtered_warehouse")
        ),
    ],
)
def any_history(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """The small history, one of hostile names, and one of targets that were read through a filter."""
    with connect(request.getfixturevalue(request.param)) as connection:
        yield connection


def joins_of(view: View) -> dict[str, tuple[str, str]]:
    """By column the view that its comment says it joins to, and the column of that."""
    said = {
        column: re.search(r"joins to (bi\.\w+)", words, re.I)
        for column, words in view.columns.items()
    }
    return {column: (found[1], OF_BI[found[1]].key[0]) for column, found in said.items() if found}


JOINS = [
    (view.name, column, *parent)
    for view in OF_BI.values()
    for column, parent in joins_of(view).items()
]


def asked(columns: str, source: str) -> str:
    return f"select {columns} from {source}"  # noqa: S608 - the views' own words


def test_the_views_are_there() -> None:
    assert set(OF_BI) >= ASKED_FOR


def test_columns_are_plainly_typed_and_named_for_their_type() -> None:
    """No MAP, STRUCT, LIST or HUGEINT, no zone; an instant ends in _utc, a day in _date."""
    columns = [
        (view, column, kind)
        for view, found in declared_columns().items()
        if view in OF_BI
        for column, kind in found.items()
    ]
    assert [row for row in columns if row[2] not in PLAIN] == []
    assert [row for row in columns if (row[2] == "TIMESTAMP") != row[1].endswith("_utc")] == []
    days = {
        column for _, column, kind in columns if kind == "DATE" and not column.endswith("_date")
    }
    assert days == {*CALENDAR_DATES, "deprecation_month"}
    assert [
        row for row in columns if row[1].endswith("_date") and row[2] not in ("DATE", "BOOLEAN")
    ] == []


def test_views_and_columns_say_what_they_are(history: duckdb.DuckDBPyConnection) -> None:
    """As the catalog has it, where BI tools look; an instant says that it is UTC."""
    of_views = rows(
        history, "select 'bi.' || view_name, comment from duckdb_views() where schema_name = 'bi'"
    )
    assert dict(of_views) == {view.name: view.comment for view in OF_BI.values()}
    columns = rows(
        history,
        "select table_name, column_name, comment from duckdb_columns() where schema_name = 'bi'",
    )
    assert len(columns) == sum(len(declared_columns()[name]) for name in OF_BI)
    assert [row for row in columns if not row[2]] == []
    instants = [row for row in columns if row[1].endswith("_utc")]
    assert [row for row in instants if "UTC" not in row[2]] == []


@pytest.mark.parametrize("name", OF_BI)
def test_measures_are_told_and_can_be_asked(history: duckdb.DuckDBPyConnection, name: str) -> None:
    """Each is an expression over the view's columns, of a plain type."""
    view = OF_BI[name]
    assert view.measures
    measures = ", ".join(f"{sql} as {measure}" for measure, (sql, _) in view.measures.items())
    answer = history.execute(asked(measures, name))
    kinds = {column[0]: str(column[1]) for column in answer.description or []}
    assert set(kinds) == set(view.measures)
    assert set(kinds.values()) <= PLAIN
    for measure, (sql, words) in view.measures.items():
        assert f"{measure} = {sql} ({words})" in view.comment


@pytest.mark.parametrize(
    ("view", "measure", "where", "expected"),
    [
        ("bi.builds", "success_rate", "true", 9 / 13),
        ("bi.build_outcomes", "success_rate", "image_slug = 'web'", 2 / 4),
        ("bi.coverage", "read_share", f"snapshot_date = '{DAYS[2]}'", 1 / 4),
        ("bi.targets", "failed_target_count", "true", 2),
    ],
)
def test_measures_are_right(
    history: duckdb.DuckDBPyConnection, view: str, measure: str, where: str, expected: float
) -> None:
    """Counted by hand on the small history; rates are of sums, not averages of rates."""
    sql, _ = OF_BI[view].measures[measure]
    assert rows(history, asked(sql, f"{view} where {where}")) == [(pytest.approx(expected),)]


@pytest.mark.parametrize("name", OF_BI)
def test_a_view_has_one_key_that_each_row_has(
    any_history: duckdb.DuckDBPyConnection, name: str
) -> None:
    (key,) = OF_BI[name].key
    ((count, keys),) = rows(any_history, asked(f"count(*), count(distinct {key})", name))
    assert count == keys


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column", "parent", "key"), JOINS)
def test_a_key_joins_many_to_one(
    any_history: duckdb.DuckDBPyConnection, name: str, column: str, parent: str, key: str
) -> None:
    """A join neither loses a row nor doubles one: every key finds its row, once."""
    is_within = f"{column} is not null"
    if column in BEYOND_THE_CALENDAR:
        is_within += f" and year({column}) < 2027"
    count = rows(any_history, asked("count(*)", f"{name} where {is_within}"))
    joined = f"{name} as a join {parent} as b on b.{key} = a.{column}"
    assert rows(any_history, asked("count(*)", joined)) == count


def test_joins_lead_to_the_four_dimensions_from_every_fact() -> None:
    """What the tests above go through: no view of facts is without its target, image and day."""
    to = {name: {join[2] for join in JOINS if join[0] == name} for name in OF_BI}
    assert {parent for parents in to.values() for parent in parents} == {
        *("bi.builds", "bi.images", "bi.targets", "bi.calendar")
    }
    targets = {"bi.targets", "bi.target_freshness"}
    no_target = {name for name in OF_BI if "bi.targets" not in to[name]}
    assert no_target - targets == {"bi.calendar", "bi.snapshots"}
    no_day = {name for name in OF_BI if "bi.calendar" not in to[name]}
    assert no_day - targets == {"bi.calendar", "bi.tags"}


def test_the_calendar_has_every_day_once(history: duckdb.DuckDBPyConnection) -> None:
    """From the service's first day to the end of the year after the newest snapshot's."""
    days = [day for (day,) in rows(history, "select calendar_date from bi.calendar order by all")]
    first, last = date(2019, 12, 1), date(2026, 12, 31)
    assert days == [first + timedelta(days=number) for number in range((last - first).days + 1)]


def test_a_calendars_day_says_what_it_is(history: duckdb.DuckDBPyConnection) -> None:
    dates = "calendar_date in ('2025-11-16', '2027-01-01', '2024-12-30')"
    assert rows(history, f"from bi.calendar where {dates} order by all") == [
        (
            *(date(2024, 12, 30), 2024, 4, 12, 30, 2025, 1, 1, "Monday", "December", "2024-12"),
            *(date(2024, 12, 30), date(2024, 12, 1), date(2024, 10, 1), date(2024, 1, 1)),
            *(False, False),
        ),
        (
            *(date(2025, 11, 16), 2025, 4, 11, 16, 2025, 46, 7, "Sunday", "November", "2025-11"),
            *(date(2025, 11, 10), date(2025, 11, 1), date(2025, 10, 1), date(2025, 1, 1)),
            *(True, True),
        ),
    ]


def test_the_calendar_begins_with_a_snapshot_that_is_older(folder: Folder, tmp_path: Path) -> None:
    """Each snapshot's date finds its day, whatever `--date` was given."""
    commit_rows(folder, date(2001, 2, 3), {"snapshots": [{"status": "complete"}]})
    publish(folder, tmp_path / "old.duckdb")
    with connect(tmp_path / "old.duckdb") as connection:
        found = rows(connection, "select min(calendar_date), max(calendar_date) from bi.calendar")
    assert found == [(date(2001, 2, 3), date(2002, 12, 31))]


def test_a_build_without_an_arn_or_an_image_breaks_no_key(folder: Folder, tmp_path: Path) -> None:
    """One cannot be followed and is left out; one whose ARN tells no image has no image_key."""
    odd = {**build(HOME, DAYS[0], "web/1.0.0/1", "AVAILABLE"), "arn": "no arn at all"}
    odd |= dict.fromkeys(
        ("image_owner_account", "image_region", "image_slug", "semantic_version", "build_number")
    )
    nameless = {**odd, "arn": None}
    plain = build(HOME, DAYS[0], "web/1.0.0/1", "AVAILABLE")
    amis = [
        {**ami(HOME, DAYS[0], "web/1.0.0/1", 0, None, "AVAILABLE"), "image_arn": arn}
        for arn in ("no arn at all", None, plain["arn"])
    ]
    commit_rows(
        folder,
        DAYS[0],
        {
            "image_builds": [odd, nameless, plain],
            "image_amis": amis,
            "snapshot_targets": [covered(HOME, DAYS[0], "complete", "whole", 3)],
            "snapshots": [{"status": "complete"}],
        },
    )
    publish(folder, tmp_path / "odd.duckdb")
    image = "111111111111/us-east-1/111111111111/web"
    with connect(tmp_path / "odd.duckdb") as connection:
        builds, amis_of_them = (
            rows(connection, asked("arn, image_key", f"{view} order by arn"))
            for view in ("bi.builds", "bi.amis")
        )
        images = rows(connection, "select image_key from bi.images")
    assert builds == amis_of_them == [(plain["arn"], image), ("no arn at all", None)]
    assert images == [(image,)]


def test_a_warehouse_attached_by_another_name_is_read(small_warehouse: Path) -> None:
    """By a tool that has other databases, and whose own is another."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{small_warehouse}' as theirs (read_only)")
        assert rows(connection, "select count(*) from theirs.bi.builds") == [(18,)]
        assert rows(connection, "select count(*) from theirs.bi.state_changes") == [(27,)]


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_another_version_reads_the_views_of_a_lake_without_a_run(
    tmp_path: Path, version: str
) -> None:
    path = tmp_path / "nothing.duckdb"
    publish(open_folder(str(tmp_path / "lake")), path)
    answers = answers_of(version, path, [asked("*", name) for name in OF_BI])
    assert {repr(answers[asked("*", name)]) for name in OF_BI} == {"[]"}
