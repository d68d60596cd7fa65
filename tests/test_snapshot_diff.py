"""A diff of two days names each build and column that differ, and none that only a schema added."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lake.changes import has_changes
from lake.folder import Folder
from lake.maintain import maintain
from lake.retention import Keep
from lake.warehouse import connect, publish, publish_pinned
from schemas.image_builds import IMAGE_BUILDS
from schemas.table import BIGINT, INSTANT, TAGS, TEXT
from tests.history_rows import FAR, ZONES
from tests.rows import Target, arn_of, build, covered, rows
from tests.small_history import DAYS, HOME, OTHER, at
from tests.small_runs import history, small_lake, small_warehouse
from tests.test_rebuild import newer_column, write_version_1
from tests.test_writer import Rows, commit_rows
from tests.told_history import IDENTITY

__all__ = [
    "history",
    "newer_column",
    "small_lake",
    "small_warehouse",
]  # fixtures are used by their names

NEXT = date(2025, 11, 21)

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
