"""The views and macros of history say what was seen when: what could not be read is never gone."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pytest

from lake.changes import has_changes
from lake.folder import Folder
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import newest_commit
from lake.retention import Keep
from lake.warehouse import connect, publish, publish_pinned
from schemas.image_builds import IMAGE_BUILDS
from schemas.table import BIGINT, INSTANT, TAGS, TEXT
from schemas.view import macros, view_named
from tests.history_rows import HISTORY, alike, asked, in_order
from tests.rows import Target, arn_of, build, covered, dicts, rows
from tests.small_history import (
    DAYS,
    HOME,
    LONE,
    OTHER,
    at,
    history,
    shown_runs,
    small_lake,
    small_warehouse,
)
from tests.test_rebuild import newer_column, write_version_1
from tests.test_views import key_of
from tests.test_writer import Rows, commit_rows
from tests.told_history import DATES, IDENTITY, Told, draw_history

__all__ = [
    "history",
    "newer_column",
    "small_lake",
    "small_warehouse",
]  # fixtures are used by their names

NEXT = date(2025, 11, 21)


def told_of(folder: Folder, runs: dict[date, Rows]) -> Told:
    """What the runs tell, which show in the lake."""
    found = {day: newest_commit(folder, day) for day in runs}
    return Told(runs, {day: record.run_id for day, record in found.items() if record})


@pytest.fixture(scope="module")
def small_told(small_lake: Folder) -> Told:
    return told_of(small_lake, dict(shown_runs()))


Drawn = tuple[duckdb.DuckDBPyConnection, Told, Folder]


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.long)])
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drawn]:
    """A random history, what its runs tell, its lake."""
    root = tmp_path_factory.mktemp("drawn")
    folder = open_folder(str(root / "lake"))
    runs, shown = draw_history(random.Random(request.param))  # noqa: S311 - a history, no secret
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day, run in runs:
            commit_rows(folder, day, run)
    publish(folder, root / "live.duckdb")
    with connect(root / "live.duckdb") as connection:
        yield connection, told_of(folder, shown), folder


# On the small history, by hand

STEPS: dict[tuple[Target, str], list[tuple[int, str]]] = {
    (HOME, "web/1.9.0/1"): [(0, "appeared"), (2, "changed")],
    (HOME, "web/1.9.0/2"): [(0, "appeared"), (2, "disappeared")],
    (HOME, "web/1.10.0/1"): [(1, "appeared"), (2, "changed")],
    (HOME, "web/1.10.0/2"): [(3, "appeared"), (4, "changed")],
    (HOME, "web/1.11.0/1"): [(2, "appeared")],
    (HOME, "db/1.0.0/1"): [(0, "appeared"), (2, "changed"), (4, "disappeared")],
    (HOME, "db/1.1.0/1"): [(1, "appeared"), (2, "disappeared"), (3, "appeared")],
    (HOME, "db/1.2.0/1"): [(4, "appeared")],
    (HOME, "app/1.0.0/1"): [(0, "appeared")],
    (HOME, "app/1.1.0/1"): [(3, "appeared")],
    (OTHER, "batch/0.8.0/1"): [(0, "appeared")],
    (OTHER, "batch/0.9.0/1"): [(0, "appeared")],
    (OTHER, "batch/1.0.0/1"): [(0, "appeared")],
    (OTHER, "api/0.9.0/1"): [(0, "appeared"), (1, "changed"), (4, "changed")],
    (OTHER, "api/1.0.0/1"): [(0, "appeared")],
    (OTHER, "api/1.1.0/1"): [(1, "appeared")],
    (OTHER, "api/1.2.0/1"): [(4, "appeared")],
    (LONE, "tool/1.0.0/1"): [(0, "appeared")],
}
"""By build, on which dates (0 to 4) it came, changed or went."""


def test_what_became_of_each_build(small_told: Told, history: duckdb.DuckDBPyConnection) -> None:
    """A denied date tells nothing, a carried capture nothing new, a replaced run's ghost never was."""
    steps = {
        (target, arn_of(target, image)): [(DAYS[day], change) for day, change in told]
        for (target, image), told in STEPS.items()
    }
    found: dict[tuple[Target, str], list[tuple[date, str]]] = {}
    query = "select account_id, region, arn, snapshot_date, change from build_changes order by all"
    for account_id, region, arn, day, change in rows(history, query):
        found.setdefault(((account_id, region), arn), []).append((day, change))
    assert found == steps
    assert small_told.steps == steps  # plain Python finds the same, on which whole rows rest


def test_captures_name_the_one_before(history: duckdb.DuckDBPyConnection) -> None:
    """OTHER's of the 19th is compared with the 17th's; who was never read has none."""
    query = """
        select * exclude (run_id, previous_run_id, capture_key) from target_captures
        order by account_id, region, snapshot_date
    """
    assert rows(history, query) == [
        (DAYS[0], *LONE, at(16, 12), "whole", 1, None),
        (DAYS[0], *HOME, at(16, 12), "whole", 4, None),
        (DAYS[1], *HOME, at(17, 12), "whole", 6, DAYS[0]),
        (DAYS[2], *HOME, at(18, 12), "whole", 5, DAYS[1]),
        (DAYS[3], *HOME, at(19, 12), "whole", 8, DAYS[2]),
        (DAYS[4], *HOME, at(20, 12), "whole", 8, DAYS[3]),
        (DAYS[0], *OTHER, at(16, 12), "whole", 5, None),
        (DAYS[1], *OTHER, at(17, 12), "whole", 6, DAYS[0]),
        (DAYS[3], *OTHER, at(19, 12), "whole", 6, DAYS[1]),
        (DAYS[4], *OTHER, at(20, 12), "whole", 7, DAYS[3]),
    ]


def test_states_changed_from_one_capture_to_the_next(history: duckdb.DuckDBPyConnection) -> None:
    """Without the first sights of the first captures; a new name is no new state."""
    query = """
        select snapshot_date, account_id, region, image_slug, semantic_version, build_number,
            change, from_status, to_status, state_reason, from_date
        from build_state_changes where from_date is not null
        order by snapshot_date, arn
    """
    first, gone = "first_seen", "disappeared"
    failed = "a component failed"
    assert rows(history, query) == [
        (DAYS[1], *OTHER, "api", "0.9.0", 1, "changed", "AVAILABLE", "DISABLED", None, DAYS[0]),
        (DAYS[1], *OTHER, "api", "1.1.0", 1, first, None, "CANCELLED", None, DAYS[0]),
        (DAYS[1], *HOME, "db", "1.1.0", 1, first, None, "AVAILABLE", None, DAYS[0]),
        (DAYS[1], *HOME, "web", "1.10.0", 1, first, None, "BUILDING", None, DAYS[0]),
        (DAYS[2], *HOME, "db", "1.0.0", 1, "changed", "AVAILABLE", "DEPRECATED", None, DAYS[1]),
        (DAYS[2], *HOME, "db", "1.1.0", 1, gone, "AVAILABLE", None, None, DAYS[1]),
        (DAYS[2], *HOME, "web", "1.10.0", 1, "changed", "BUILDING", "AVAILABLE", None, DAYS[1]),
        (DAYS[2], *HOME, "web", "1.11.0", 1, first, None, "BUILDING", None, DAYS[1]),
        (
            *(DAYS[2], *HOME, "web", "1.9.0", 2, gone, "FAILED", None),
            *("the instance did not start", DAYS[1]),
        ),
        (DAYS[3], *HOME, "app", "1.1.0", 1, first, None, "AVAILABLE", None, DAYS[2]),
        (DAYS[3], *HOME, "db", "1.1.0", 1, "reappeared", None, "AVAILABLE", None, DAYS[2]),
        (DAYS[3], *HOME, "web", "1.10.0", 2, first, None, "TESTING", None, DAYS[2]),
        (DAYS[4], *OTHER, "api", "0.9.0", 1, "changed", "DISABLED", "DELETED", None, DAYS[3]),
        (DAYS[4], *OTHER, "api", "1.2.0", 1, first, None, "ARCHIVED", None, DAYS[3]),
        (DAYS[4], *HOME, "db", "1.0.0", 1, gone, "DEPRECATED", None, None, DAYS[3]),
        (DAYS[4], *HOME, "db", "1.2.0", 1, first, None, "BUILDING", None, DAYS[3]),
        (DAYS[4], *HOME, "web", "1.10.0", 2, "changed", "TESTING", "FAILED", failed, DAYS[3]),
    ]


def test_history_is_told_from_date_to_date(history: duckdb.DuckDBPyConnection) -> None:
    """Of the builds that became another, or went: db/1.1.0/1 was not there on the 18th."""
    query = """
        select image_slug, semantic_version, build_number, name, state_status, captured_at,
            valid_from, valid_to, ended_by
        from build_history
        where build_key in (select build_key from build_changes where change <> 'appeared')
        order by arn, valid_from
    """
    renamed = "Web Server"
    assert rows(history, query) == [
        ("api", "0.9.0", 1, "API", "AVAILABLE", at(16, 12), DAYS[0], DAYS[1], "changed"),
        ("api", "0.9.0", 1, "API", "DISABLED", at(17, 12), DAYS[1], DAYS[4], "changed"),
        ("api", "0.9.0", 1, "API", "DELETED", at(20, 12), DAYS[4], None, None),
        ("db", "1.0.0", 1, "DB", "AVAILABLE", at(16, 12), DAYS[0], DAYS[2], "changed"),
        ("db", "1.0.0", 1, "DB", "DEPRECATED", at(18, 12), DAYS[2], DAYS[4], "disappeared"),
        ("db", "1.1.0", 1, "DB", "AVAILABLE", at(17, 12), DAYS[1], DAYS[2], "disappeared"),
        ("db", "1.1.0", 1, "DB", "AVAILABLE", at(19, 12), DAYS[3], None, None),
        ("web", "1.10.0", 1, "WEB", "BUILDING", at(17, 12), DAYS[1], DAYS[2], "changed"),
        ("web", "1.10.0", 1, renamed, "AVAILABLE", at(18, 12), DAYS[2], None, None),
        ("web", "1.10.0", 2, renamed, "TESTING", at(19, 12), DAYS[3], DAYS[4], "changed"),
        ("web", "1.10.0", 2, renamed, "FAILED", at(20, 12), DAYS[4], None, None),
        ("web", "1.9.0", 1, "WEB", "AVAILABLE", at(16, 12), DAYS[0], DAYS[2], "changed"),
        ("web", "1.9.0", 1, renamed, "AVAILABLE", at(18, 12), DAYS[2], None, None),
        ("web", "1.9.0", 2, "WEB", "FAILED", at(16, 12), DAYS[0], DAYS[2], "disappeared"),
    ]


def test_what_disappeared_is_gone_still(history: duckdb.DuckDBPyConnection) -> None:
    """Not what came back, nor what is of a target that is denied since."""
    query = """
        select arn, state_status, captured_at, last_seen_date, disappeared_date
        from disappeared_builds order by arn
    """
    assert rows(history, query) == [
        (arn_of(HOME, "db/1.0.0/1"), "DEPRECATED", at(19, 12), DAYS[3], DAYS[4]),
        (arn_of(HOME, "web/1.9.0/2"), "FAILED", at(17, 12), DAYS[1], DAYS[2]),
    ]


AS_OF: list[tuple[str, dict[Target, int]]] = [
    ("date '2025-11-15'", {}),
    ("timestamptz '2025-11-15 23:59:59.999999+00'", {}),
    ("timestamptz '2025-11-16 00:00:00+00'", {HOME: 0, OTHER: 0, LONE: 0}),
    ("timestamptz '2025-11-16 12:00:00+00'", {HOME: 0, OTHER: 0, LONE: 0}),
    ("'2025-11-17'", {HOME: 1, OTHER: 1, LONE: 0}),
    ("timestamp '2025-11-17 00:30:00'", {HOME: 1, OTHER: 1, LONE: 0}),
    ("timestamp '2025-11-17 23:30:00'", {HOME: 1, OTHER: 1, LONE: 0}),
    ("'2025-11-17 23:30'", {HOME: 1, OTHER: 1, LONE: 0}),
    ("'2025-11-17T00:30:00Z'", {HOME: 1, OTHER: 1, LONE: 0}),
    ("'2025-11-18 01:30:00+02'", {HOME: 1, OTHER: 1, LONE: 0}),
    ("'2025-11-17T23:30:00.000-05:00'", {HOME: 2, OTHER: 1, LONE: 0}),
    ("date '2025-11-18'", {HOME: 2, OTHER: 1, LONE: 0}),
    ("timestamptz '2025-11-19 05:00:00+00'", {HOME: 3, OTHER: 3, LONE: 0}),
    ("date '2025-11-20'", {HOME: 4, OTHER: 4, LONE: 0}),
    ("'2999-01-01'", {HOME: 4, OTHER: 4, LONE: 0}),
]
"""A moment, and of each target the date (0 to 4) whose capture stood: by UTC days."""
ZONES = ("UTC", "America/New_York", "Pacific/Kiritimati")


def test_builds_and_amis_stand_as_of_a_moment(
    small_told: Told, history: duckdb.DuckDBPyConnection
) -> None:
    """As whole rows, whatever zone the session is in: a moment that names none is UTC's."""
    for zone in ZONES:
        cursor = history.cursor()
        cursor.execute(f"set timezone = '{zone}'")
        for moment, captures in AS_OF:
            for table, macro in (("image_builds", "builds_as_of"), ("image_amis", "amis_as_of")):
                expected = [
                    row
                    for target, day in captures.items()
                    for row in small_told.listed(table, target, DAYS[day])
                ]
                found = dicts(cursor, f"select * from {macro}({moment})")  # noqa: S608 - our own moments
                assert alike(found) == alike(expected), (zone, macro, moment)


@pytest.mark.parametrize("moment", [date(2025, 11, 17), at(17, 23), datetime(2025, 11, 17, 23)])
def test_a_moment_can_be_a_parameter(
    history: duckdb.DuckDBPyConnection, moment: date | datetime
) -> None:
    query = "select count(*) from builds_as_of(?)"
    assert history.execute(query, [moment]).fetchall() == [(13,)]


@pytest.mark.parametrize("moment", ["2025-13-45", "yesterday", "17.11.2025", ""])
def test_a_moment_that_is_none_is_an_error(history: duckdb.DuckDBPyConnection, moment: str) -> None:
    """It would pass for a date before all captures."""
    calls = (f"builds_as_of('{moment}')", f"amis_as_of('{moment}')")
    for call in (*calls, f"snapshot_diff('{moment}', '{moment}')"):
        with pytest.raises(duckdb.ConversionException, match=r"(timestamp|date) field"):
            rows(history, f"select * from {call}")  # noqa: S608 - our own moments


Cell = tuple[Target, str, str, str | None, str | None, str | None]
"""Of a row of snapshot_diff: the build, the change, the column, its values before and after."""

LIFECYCLE = "lifecycle_execution_id"
WEEK: list[Cell] = [
    (HOME, "app/1.1.0/1", "added", None, None, None),
    (HOME, "db/1.0.0/1", "removed", None, None, None),
    (HOME, "db/1.1.0/1", "added", None, None, None),
    (HOME, "db/1.2.0/1", "added", None, None, None),
    (HOME, "web/1.10.0/1", "added", None, None, None),
    (HOME, "web/1.10.0/2", "added", None, None, None),
    (HOME, "web/1.11.0/1", "added", None, None, None),
    (HOME, "web/1.9.0/1", "changed", "name", "WEB", "Web Server"),
    (HOME, "web/1.9.0/2", "removed", None, None, None),
    (OTHER, "api/0.9.0/1", "changed", LIFECYCLE, None, "lce-2"),
    (OTHER, "api/0.9.0/1", "changed", "state_status", "AVAILABLE", "DELETED"),
    (OTHER, "api/1.1.0/1", "added", None, None, None),
    (OTHER, "api/1.2.0/1", "added", None, None, None),
]
"""From the 16th to the 20th."""
DENIED_DAY: list[Cell] = [
    (HOME, "db/1.0.0/1", "changed", LIFECYCLE, None, "lce-1"),
    (HOME, "db/1.0.0/1", "changed", "state_status", "AVAILABLE", "DEPRECATED"),
    (HOME, "db/1.1.0/1", "removed", None, None, None),
    (HOME, "web/1.10.0/1", "changed", "name", "WEB", "Web Server"),
    (HOME, "web/1.10.0/1", "changed", "state_status", "BUILDING", "AVAILABLE"),
    (HOME, "web/1.11.0/1", "added", None, None, None),
    (HOME, "web/1.9.0/1", "changed", "name", "WEB", "Web Server"),
    (HOME, "web/1.9.0/2", "removed", None, None, None),
]
"""From the 17th to the 18th, on which OTHER was denied: nothing is said of it."""
SINCE_DENIED: list[Cell] = [
    (HOME, "app/1.1.0/1", "added", None, None, None),
    (HOME, "db/1.0.0/1", "removed", None, None, None),
    (HOME, "db/1.1.0/1", "added", None, None, None),
    (HOME, "db/1.2.0/1", "added", None, None, None),
    (HOME, "web/1.10.0/2", "added", None, None, None),
    (OTHER, "api/0.9.0/1", "changed", LIFECYCLE, "lce-1", "lce-2"),
    (OTHER, "api/0.9.0/1", "changed", "state_status", "DISABLED", "DELETED"),
    (OTHER, "api/1.2.0/1", "added", None, None, None),
]
"""From the 18th to the 20th: of OTHER since the 17th, as its rows' from_date says."""
CHANGES_BACK = {"added": "removed", "removed": "added", "changed": "changed"}


@pytest.mark.parametrize(
    ("first", "last", "cells", "compared"),
    [
        ("2025-11-16", "2025-11-20", WEEK, {HOME: (0, 4), OTHER: (0, 4)}),
        ("2025-11-17", "2025-11-18", DENIED_DAY, {HOME: (1, 2)}),
        ("2025-11-18", "2025-11-20", SINCE_DENIED, {HOME: (2, 4), OTHER: (1, 4)}),
        ("2025-11-16 12:00:00+00", "2999-12-31", WEEK, {HOME: (0, 4), OTHER: (0, 4)}),
        ("2025-11-17 23:59", "2025-11-18T00:00:00Z", DENIED_DAY, {HOME: (1, 2)}),
        ("2025-11-18", "2025-11-18", [], {}),
        ("2025-11-20", "2025-11-21", [], {}),
        ("2025-11-15", "2025-11-20", [], {}),
    ],
)
def test_two_days_differ_by_builds_and_columns(
    history: duckdb.DuckDBPyConnection,
    first: str,
    last: str,
    cells: list[Cell],
    compared: dict[Target, tuple[int, int]],
) -> None:
    """And the other way round; where they are one, or before all captures, in nothing."""
    query = """
        select account_id, region, arn, change, column_name, from_value, to_value, from_date, to_date
        from snapshot_diff('{}', '{}') order by account_id, region, arn, column_name
    """
    told = [
        ((*target, arn_of(target, image), change, column), values, compared[target])
        for target, image, change, column, *values in cells
    ]
    for zone in ZONES:
        cursor = history.cursor()
        cursor.execute(f"set timezone = '{zone}'")
        assert rows(cursor, query.format(first, last)) == [
            (*head, *values, *(DAYS[day] for day in days)) for head, values, days in told
        ]
        assert rows(cursor, query.format(last, first)) == [
            (
                *(*head[:3], CHANGES_BACK[head[3]], head[4]),
                *values[::-1],
                *(DAYS[day] for day in days[::-1]),
            )
            for head, values, days in told
        ]


# In every column, as plain Python finds them, on the small history and on those drawn at random


@pytest.mark.parametrize("view", HISTORY)
def test_whole_rows_of_the_small_history(
    small_told: Told, history: duckdb.DuckDBPyConnection, view: str
) -> None:
    expected = in_order(list(HISTORY[view](small_told)))
    assert asked(history, view) == expected
    assert len(expected) == SIZES[view]


SIZES = {
    "target_captures": 10,
    "capture_differences": 18,
    "build_changes": 28,
    "build_state_changes": 27,
    "build_history": 25,
    "disappeared_builds": 2,
}
"""How many rows the small history has."""


@pytest.mark.slow
@pytest.mark.parametrize("view", HISTORY)
def test_whole_rows_of_a_random_history(drawn: Drawn, view: str) -> None:
    """Filtered and cut captures compare nothing, nor do runs that others replaced."""
    connection, told, _ = drawn
    expected = in_order(list(HISTORY[view](told)))
    assert asked(connection, view) == expected
    assert len(expected) > 5


FAR: Final = timedelta(days=100)
"""Days so far apart are compared whole, not by what differed in between."""


@pytest.mark.slow
def test_macros_of_a_random_history(drawn: Drawn) -> None:
    """On dates with and without a snapshot, near and far apart, forwards and backwards."""
    connection, told, _ = drawn
    days = [
        DATES[0] - timedelta(days=1),
        *(day + timedelta(days=1) for day in DATES[::3]),
        DATES[-1],
        DATES[-1] + FAR,
    ]
    sizes = set()
    for day in days:
        for table, macro in (("image_builds", "builds_as_of"), ("image_amis", "amis_as_of")):
            found = asked(connection, f"{macro}(date '{day}')")
            assert alike(found) == alike(told.as_of(table, day)), (macro, day)
        for other in days:
            found = asked(connection, f"snapshot_diff('{day}', '{other}')")
            assert found == in_order(list(told.diff(day, other))), (day, other)
            sizes.add(len(found))
    assert max(sizes) > 5


@pytest.mark.usefixtures("at_once")
def test_a_diff_names_every_column(folder: Folder, tmp_path: Path) -> None:
    """A column that the schema gains and snapshot_diff lacks would be one that never changes."""
    samples: dict[pa.DataType, tuple[tuple[Any, str], tuple[Any, str]]] = {
        TEXT: (("it's", "it's"), ("ü", "ü")),
        BIGINT: ((1, "1"), (2**62, str(2**62))),
        INSTANT: (
            (at(16, 1, 2), "2025-11-16 01:02:00+00"),
            (datetime(2025, 11, 16, 1, 2, 3, 456000, UTC), "2025-11-16 01:02:03.456+00"),
        ),
        TAGS: (
            ([("b", None), ("a", '"')], '{"a":"\\"","b":null}'),
            ([], "{}"),
        ),
    }
    can_change = [column for column in IMAGE_BUILDS.columns if column.name not in IDENTITY]
    listed: list[dict[str, Any]] = [
        {column.name: samples[column.type][number][0] for column in can_change}
        for number in range(2)
    ]
    for day, more in enumerate([*listed, {}]):
        row = {**build(HOME, DAYS[day], "web/1.0.0/1", None), **dict.fromkeys(listed[0]), **more}
        commit_rows(
            folder,
            DAYS[day],
            {
                "image_builds": [row],
                "snapshot_targets": [covered(HOME, DAYS[day], "complete", "whole", 1)],
            },
        )
    publish(folder, tmp_path / "all.duckdb")
    texts = {
        column.name: [samples[column.type][0][1], samples[column.type][1][1], None]
        for column in can_change
    }
    query = """
        select column_name, from_value, to_value
        from snapshot_diff('{}', '{}') where change = 'changed' order by column_name
    """
    with connect(tmp_path / "all.duckdb") as connection:
        for first, last in ((0, 1), (1, 2), (2, 0)):
            found = rows(connection, query.format(DAYS[first], DAYS[last]))
            assert found == [
                (name, values[first], values[last]) for name, values in sorted(texts.items())
            ]
        near, far = (
            rows(connection, query.format(DAYS[0], last)) for last in (DAYS[2], DAYS[2] + FAR)
        )
        assert far == near != []
        states = "select distinct name, state_status from snapshot_diff('{}', '{}')"
        assert rows(connection, states.format(DAYS[0], DAYS[2])) == [(None, None)]


# What must hold of every history

CALLS = (
    "builds_as_of('{last}')",
    "amis_as_of('{last}')",
    "snapshot_diff('{first}', '{last}')",
    "snapshot_diff('{last}', '{first}')",
)


def calls(told: Told) -> dict[str, list[str]]:
    """Calls of the macros, and the key of each, over the whole history and a part of it."""
    keys = {macro.name: key_of(macro) for macro in macros()}
    first, *_, middle, last = sorted(told.runs)
    return {
        call.format(first=start, last=end): keys[call.partition("(")[0]]
        for start, end in ((first, last), (middle, last), (first, middle))
        for call in CALLS
    }


def test_every_grain_of_history_is_a_key(
    history: duckdb.DuckDBPyConnection, small_told: Told, drawn: Drawn
) -> None:
    """Also where one ARN is listed in two targets."""
    assert {call.partition("(")[0] for call in CALLS} == {macro.name for macro in macros()}
    for connection, told in ((history, small_told), drawn[:2]):
        keys = {view: key_of(view_named(view)) for view in HISTORY} | calls(told)
        for relation, columns in keys.items():
            key = ", ".join(columns)
            twice = f"select {key} from {relation} group by {key} having count(*) > 1"  # noqa: S608 - our own words
            assert rows(connection, twice) == [], relation
            assert rows(connection, f"select * from {relation} limit 1"), relation  # noqa: S608 - our own words
    targets = "select count(distinct account_id) from build_changes group by arn"
    assert (2,) in rows(drawn[0], targets)


AGREE = {
    "current builds are as many as the newest captures say": """
        select known, told
        from (select count(*) as known from current_builds),
            (select sum(builds) as told from current_targets),
            (
                select sum(builds) as captured
                from (
                    from target_captures
                    qualify row_number() over (
                        partition by account_id, region
                        order by coverage = 'whole' desc, snapshot_date desc
                    ) = 1
                )
            )
        where known <> told or told <> captured or known = 0
    """,
    "a golden AMI is a current one": """
        select g.build_arn, g.ami_id
        from golden_amis as g
        anti join current_amis as a
            on
                a.account_id = g.account_id
                and a.region = g.region
                and a.image_arn = g.build_arn
                and a.ami_id = g.ami_id
                and a.snapshot_date = g.snapshot_date
    """,
    "today is as of today": """
        (from current_builds except all from builds_as_of('2999-12-31'))
        union all
        (from builds_as_of('2999-12-31') except all from current_builds)
    """,
    "a build is in one interval at a time": """
        select a.arn, a.valid_from, b.valid_from
        from build_history as a
        join build_history as b
            on
                b.account_id = a.account_id
                and b.region = a.region
                and b.arn = a.arn
                and b.valid_from > a.valid_from
        where a.valid_to is null or a.valid_to > b.valid_from
    """,
    "the intervals cover the captures that list the build, as it was, and no other": """
        with seen as (
            select c.account_id, c.region, c.snapshot_date, b.arn, b.state_status, b.created_at,
                list_sort(map_entries(b.tags)) as tags
            from target_captures as c
            join image_builds as b using (snapshot_date, run_id, account_id, region)
            where c.coverage = 'whole' and b.arn is not null
        ),
        covered as (
            select c.account_id, c.region, c.snapshot_date, h.arn, h.state_status, h.created_at,
                list_sort(map_entries(h.tags)) as tags
            from target_captures as c
            join build_history as h
                on
                    h.account_id = c.account_id
                    and h.region = c.region
                    and h.valid_from <= c.snapshot_date
                    and coalesce(h.valid_to > c.snapshot_date, true)
            where c.coverage = 'whole'
        )
        (from seen except all from covered) union all (from covered except all from seen)
    """,
    "the changes of states lead to today's": """
        with known as (
            select account_id, region, arn, state_status
            from current_builds
            semi join (from current_targets where coverage = 'whole') using (account_id, region)
            where arn is not null
        ),
        replayed as (
            select account_id, region, arn, to_status
            from (
                from build_state_changes
                qualify row_number() over (
                    partition by account_id, region, arn order by snapshot_date desc
                ) = 1
            )
            where change <> 'disappeared'
        )
        (from known except all from replayed) union all (from replayed except all from known)
    """,
    "a change starts from the state that the one before led to": """
        select arn, snapshot_date
        from (
            select *, lag(to_status) over (
                partition by account_id, region, arn order by snapshot_date
            ) as led_to
            from build_state_changes
        )
        where from_status is distinct from led_to
    """,
    "a build is known or gone": """
        select account_id, region, arn
        from (
            select account_id, region, arn from build_changes group by all
            except
            select account_id, region, arn from last_known_builds
        )
        union all
        select account_id, region, arn
        from disappeared_builds
        semi join current_builds using (account_id, region, arn)
    """,
}
"""By what must hold, a query for the rows that contradict it."""


@pytest.mark.parametrize("rule", AGREE)
def test_the_views_agree(history: duckdb.DuckDBPyConnection, drawn: Drawn, rule: str) -> None:
    for connection in (history, drawn[0]):
        assert rows(connection, AGREE[rule]) == []


@pytest.mark.slow
def test_a_pinned_warehouse_tells_the_same_history(
    small_lake: Folder, small_told: Told, tmp_path: Path
) -> None:
    """By its own files' names."""
    require_alike(small_lake, small_told, tmp_path)


def test_a_pinned_warehouse_tells_the_same_random_history(drawn: Drawn, tmp_path: Path) -> None:
    require_alike(drawn[2], drawn[1], tmp_path)


def require_alike(folder: Folder, told: Told, tmp_path: Path) -> None:
    """That the six views and the macros of a pinned warehouse show what the runs tell."""
    publish_pinned(folder, tmp_path / "pinned.duckdb")
    day, other = min(told.runs), max(told.runs)
    with connect(tmp_path / "pinned.duckdb") as pinned:
        for view, find in HISTORY.items():
            assert asked(pinned, view) == in_order(list(find(told))), view
        found = asked(pinned, f"snapshot_diff('{day}', '{other}')")
        assert found == in_order(list(told.diff(day, other))) != []
        for table, macro in (("image_builds", "builds_as_of"), ("image_amis", "amis_as_of")):
            found = asked(pinned, f"{macro}('{other}')")
            assert alike(found) == alike(told.as_of(table, other)) != [], macro


def test_an_empty_lake_has_no_history(folder: Folder, tmp_path: Path) -> None:
    """No rows, and no error."""
    for publication in (publish, publish_pinned):
        path = tmp_path / f"{publication.__name__}.duckdb"
        publication(folder, path)
        with connect(path) as connection:
            for call in (*HISTORY, *(call.format(first=DAYS[0], last=DAYS[4]) for call in CALLS)):
                assert rows(connection, f"select * from {call}") == [], call  # noqa: S608 - our own words


# Captures of an older schema


@pytest.mark.slow
@pytest.mark.usefixtures("at_once", "newer_column")
def test_a_column_that_an_older_schema_lacks_changes_no_build(
    folder: Folder, tmp_path: Path
) -> None:
    """Nor does `extra`, which held its values: captures are compared by what both of them have.

    Before `maintain` has derived the changes of the old dates, and after it, live and pinned.
    """
    states = {
        1: ("AVAILABLE", "AVAILABLE", "AVAILABLE", "AVAILABLE", "AVAILABLE"),
        2: ("BUILDING", "FAILED", "DEPRECATED", "DEPRECATED", "DEPRECATED"),
        3: ("BUILDING", None, None, "BUILDING", "BUILDING"),
    }
    old, new = {"extra": '{"imageSource":"CUSTOM"}'}, {"image_source": "CUSTOM"}
    for day, version in enumerate((1, 1, 2, 1, 2)):
        builds = [
            build(HOME, DAYS[day], f"web/1.0.0/{number}", told[day], **(old, new)[version - 1])
            for number, told in states.items()
            if told[day]
        ]
        run: Rows = {
            "image_builds": builds,
            "snapshot_targets": [covered(HOME, DAYS[day], "complete", "whole", len(builds))],
            "snapshots": [{"status": "complete"}],
        }
        if version == 1:
            write_version_1(folder, DAYS[day], run)
        else:
            commit_rows(folder, DAYS[day], run)
    query = """
        select build_number, snapshot_date, change, state_status, image_source, extra
        from build_changes order by all
    """
    extra = old["extra"]
    expected = [
        (1, DAYS[0], "appeared", "AVAILABLE", None, extra),
        (2, DAYS[0], "appeared", "BUILDING", None, extra),
        (2, DAYS[1], "changed", "FAILED", None, extra),
        (2, DAYS[2], "changed", "DEPRECATED", "CUSTOM", None),
        (3, DAYS[0], "appeared", "BUILDING", None, extra),
        (3, DAYS[1], "disappeared", "BUILDING", None, extra),
        (3, DAYS[3], "appeared", "BUILDING", None, extra),
    ]

    live = tmp_path / "live.duckdb"
    publish(folder, live)
    with connect(live) as connection:
        assert rows(connection, query) == expected
    maintain(folder, Keep(), datetime.now(UTC))
    assert has_changes(folder)
    # between two captures that have the column it counts
    imported = [build(HOME, NEXT, "web/1.0.0/1", "AVAILABLE", image_source="IMPORTED")]
    target = covered(HOME, NEXT, "complete", "whole", 1)
    commit_rows(folder, NEXT, {"image_builds": imported, "snapshot_targets": [target]})
    expected[1:1] = [(1, NEXT, "changed", "AVAILABLE", "IMPORTED", None)]
    expected[5:5] = [(2, NEXT, "disappeared", "DEPRECATED", "CUSTOM", None)]
    expected.append((3, NEXT, "disappeared", "BUILDING", "CUSTOM", None))
    publish(folder, live)
    publish_pinned(folder, tmp_path / "pinned.duckdb")
    for path in (live, tmp_path / "pinned.duckdb"):
        with connect(path) as connection:
            assert rows(connection, query) == expected
