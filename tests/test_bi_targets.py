"""The views of targets for BI tools say how the small history's listings ended, to the last column."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb

from tests.bi_rows import NEWEST, expected, found, utc
from tests.rows import Row, Target, noon
from tests.small_history import DAYS, DENIED, HOME, LONE, NEVER, OTHER, SKIPPED
from tests.small_runs import builds_on, history, small_lake, small_warehouse

__all__ = ["history", "small_lake", "small_warehouse"]  # fixtures are used by their names


def covered_on(day: int, target: Target) -> Mapping[str, Any]:
    """How the target's listing of the date (0 to 4) ended; OTHER is carried on the fourth."""
    is_carried = target == OTHER and day == 3
    is_read = day <= NEWEST.get(target, -1) and not (target == OTHER and day == 2)
    is_denied = target != SKIPPED and (is_carried or not is_read)
    status = "skipped" if target == SKIPPED else "failed" if is_denied else "complete"
    key = "/".join(target)
    return {
        "coverage_key": f"{key}/{DAYS[day]}",
        "target_key": key,
        "snapshot_date": DAYS[day],
        "account_id": target[0],
        "region": target[1],
        "status": status,
        "coverage": "whole" if is_read else "none",
        "is_whole": is_read,
        "error_code": DENIED if is_denied else None,
        "error_message": "denied" if is_denied else None,
        "builds": len(builds_on(day, target)) if is_read else 0,
        "captured_at_utc": utc(noon(DAYS[day])) if is_read else None,
        "finished_at_utc": utc(noon(DAYS[day], 1)),
    }


def test_coverage_tells_each_target_on_each_date(history: duckdb.DuckDBPyConnection) -> None:
    """Those that failed and that were skipped too; of a carried one, the run that its rows are of."""
    told = [
        dict(covered_on(day, target))
        for day in range(len(DAYS))
        for target in (HOME, OTHER, LONE, NEVER, SKIPPED)
    ]
    rows = found(history, "bi.coverage")
    carried = [row.pop("carried_from") for row in rows if "carried_from" in row]
    assert sorted(rows, key=repr) == expected("bi.coverage", told)
    assert len(carried) == 1


def test_targets_tell_their_newest_capture_and_last_attempt(
    history: duckdb.DuckDBPyConnection,
) -> None:
    def target(of: Target, day: date | None, builds: int | None, status: str, failed: int) -> Row:
        return {
            "target_key": "/".join(of),
            "account_id": of[0],
            "region": of[1],
            "snapshot_date": day,
            "captured_at_utc": utc(noon(day)) if day else None,
            "builds": builds,
            "last_attempt_date": DAYS[4],
            "last_attempt_status": status,
            "last_attempt_at_utc": utc(noon(DAYS[4], 1)),
            "last_error_code": DENIED if status == "failed" else None,
            "last_error_message": "denied" if status == "failed" else None,
            "failed_attempt_count": failed,
        }

    told = [
        target(HOME, DAYS[4], 8, "complete", 0),
        target(OTHER, DAYS[4], 7, "complete", 0),
        target(LONE, DAYS[0], 1, "failed", 4),
        target(NEVER, None, None, "failed", 5),
        target(SKIPPED, None, None, "skipped", 0),
    ]
    assert found(history, "bi.targets") == expected("bi.targets", [dict(row) for row in told])
