"""The views and macros of history say what was seen when: what could not be read is never gone."""

from datetime import date, datetime

import duckdb
import pytest

from tests.history_rows import ZONES, alike, small_told
from tests.rows import Target, arn_of, dicts, rows
from tests.small_history import DAYS, HOME, LONE, OTHER, at
from tests.small_runs import history, small_lake, small_warehouse
from tests.told_history import Told

__all__ = [
    "history",
    "small_lake",
    "small_told",
    "small_warehouse",
]  # fixtures are used by their names

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
