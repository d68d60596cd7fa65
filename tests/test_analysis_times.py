"""The analysis views of times over the small history: how long, how old, how long ago, until when."""

from datetime import UTC, datetime
from typing import Any

import duckdb

from tests.analysis import API, APP, BATCH, DB, TOOL, WEB
from tests.rows import Target, arn_of, dicts, rows
from tests.small_history import DAYS, DENIED, HOME, LONE, NEVER, OTHER, SKIPPED, at
from tests.small_runs import history, small_lake, small_warehouse

__all__ = ["history", "small_lake", "small_warehouse"]  # fixtures are used by their names


def test_only_available_builds_are_to_be_deprecated(history: duckdb.DuckDBPyConnection) -> None:
    """Those that are deprecated or gone are not asked for again."""
    query = "select * exclude (days_left) from deprecations order by arn"
    provenance = {"snapshot_date": DAYS[4], "captured_at": at(20, 12)}
    same = {"type": "AMI", "platform": "Linux", "build_number": 1}
    no_successor = {"has_successor": False, "successor_arn": None}
    assert dicts(history, query) == [
        {
            **provenance,
            **of_image(OTHER, "api", "1.0.0"),
            **same,
            "name": "API",
            "created_at": at(15, 9),
            "deprecation_time": datetime(2999, 1, 1, tzinfo=UTC),
            "due": "later",
            **no_successor,
        },
        {
            **provenance,
            **of_image(HOME, "db", "1.1.0"),
            **same,
            "name": "DB",
            "created_at": at(16, 18),
            "deprecation_time": at(20, 0),
            "due": "overdue",
            **no_successor,
        },
    ]


def of_image(target: Target, slug: str, version: str) -> dict[str, Any]:
    """The columns that say which build of an image it is."""
    return {
        "account_id": target[0],
        "region": target[1],
        "arn": arn_of(target, f"{slug}/{version}/1"),
        "image_owner_account": target[0],
        "image_slug": slug,
        "semantic_version": version,
    }


def test_completions_lie_between_two_captures(history: duckdb.DuckDBPyConnection) -> None:
    """Not those of the first capture, nor of a state that may be no end; a comeback is no end."""
    query = """
        select account_id, region, image_owner_account, image_slug, semantic_version, build_number,
            arn, name, state_status, created_at, snapshot_date, captured_at, seen_running_at,
            at_least_hours, at_most_hours
        from build_completions order by created_at
    """
    assert rows(history, query) == [
        (
            *(*API, "1.1.0", 1, arn_of(OTHER, "api/1.1.0/1"), "API", "CANCELLED", at(16, 14)),
            *(DAYS[1], at(17, 12), None, 0.0, 22.0),
        ),
        (
            *(*DB, "1.1.0", 1, arn_of(HOME, "db/1.1.0/1"), "DB", "AVAILABLE", at(16, 18)),
            *(DAYS[1], at(17, 12), None, 0.0, 18.0),
        ),
        (
            *(*WEB, "1.10.0", 1, arn_of(HOME, "web/1.10.0/1"), "Web Server", "AVAILABLE"),
            *(at(17, 11), DAYS[2], at(18, 12), at(17, 12), 1.0, 25.0),
        ),
        (
            *(*APP, "1.1.0", 1, arn_of(HOME, "app/1.1.0/1"), "APP", "AVAILABLE", at(18, 13)),
            *(DAYS[3], at(19, 12), None, 0.0, 23.0),
        ),
        (
            *(*WEB, "1.10.0", 2, arn_of(HOME, "web/1.10.0/2"), "Web Server", "FAILED"),
            *(at(19, 10), DAYS[4], at(20, 12), at(19, 12), 2.0, 26.0),
        ),
    ]


def test_stuck_builds_run_longer_than_their_images_do(history: duckdb.DuckDBPyConnection) -> None:
    """Web's took 26 hours at the most; of batch nothing is known; db's runs for three hours."""
    provenance = {"snapshot_date": DAYS[4], "captured_at": at(20, 12)}
    same = {"type": "AMI", "build_number": 1, "state_status": "BUILDING", "log_group_name": None}
    assert dicts(history, "from stuck_builds order by arn") == [
        {
            **provenance,
            **of_image(OTHER, "batch", "1.0.0"),
            **same,
            "name": "BATCH",
            "platform": "Windows",
            "created_at": at(16, 6),
            "running_hours": 102.0,
            "usual_hours": None,
            "completion_count": 0,
        },
        {
            **provenance,
            **of_image(HOME, "web", "1.11.0"),
            **same,
            "name": "Web Server",
            "platform": "Linux",
            "created_at": at(18, 0, 30),
            "running_hours": 59.5,
            "usual_hours": 26.0,
            "completion_count": 2,
        },
    ]


def test_every_image_has_an_age_or_none(history: duckdb.DuckDBPyConnection) -> None:
    """An image is as old as its golden build; batch never had one."""
    query = "select * exclude (age_days), age_days - {} as is_zero from image_age order by all"
    days = "floor(epoch(now() - golden_created_at) / 86400)"
    golden_web, golden_app = arn_of(HOME, "web/1.10.0/1"), arn_of(HOME, "app/1.1.0/1")
    # image, name, platform, builds, succeeded, newest build's creation and state, golden build
    assert rows(history, query.format(days)) == [
        (
            *(*TOOL, "TOOL", "Linux", 1, 1, at(15, 8), "AVAILABLE"),
            *(arn_of(LONE, "tool/1.0.0/1"), "1.0.0", 1, at(15, 8), 0.0),
        ),
        (
            *(*APP, "APP", "Linux", 2, 2, at(18, 13), "AVAILABLE"),
            *(golden_app, "1.1.0", 1, at(18, 13), 0.0),
        ),
        (
            *(*DB, "DB", "Linux", 2, 1, at(20, 9), "BUILDING"),
            *(arn_of(HOME, "db/1.1.0/1"), "1.1.0", 1, at(16, 18), 0.0),
        ),
        (
            *(*WEB, "Web Server", "Linux", 4, 2, at(19, 10), "FAILED"),
            *(golden_web, "1.10.0", 1, at(17, 11), 0.0),
        ),
        (
            *(*API, "API", "Linux", 4, 1, at(16, 14), "CANCELLED"),
            *(arn_of(OTHER, "api/1.0.0/1"), "1.0.0", 1, at(15, 9), 0.0),
        ),
        (
            *(*BATCH, "BATCH", "Windows", 3, 0, at(16, 6), "BUILDING"),
            *(None, None, None, None, None),
        ),
    ]


def test_a_lifecycle_execution_has_the_builds_it_acted_on_last(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """Also one that is gone since; api/0.9.0/1 went from lce-1 to lce-2."""
    assert rows(history, "from lifecycle_actions order by all") == [
        # execution, builds, images, states, deprecated, disabled, deleted, other, gone, times
        (
            *(*HOME, "lce-1", 1, 1, "DEPRECATED", 1, 0, 0, 0, 1),
            *(at(14, 9), at(14, 9), at(19, 12)),
        ),
        (
            *(*OTHER, "lce-2", 1, 1, "DELETED", 0, 0, 1, 0, 0),
            *(at(13, 9), at(13, 9), at(20, 12)),
        ),
    ]


def test_freshness_tells_the_last_attempt_of_every_target(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """A target that was never read is stale; a region that is not enabled is not."""
    query = "select * exclude (age_hours) from target_freshness order by account_id, region"
    complete = (DAYS[4], "complete", at(20, 12, 1), None, None)
    denied = (DAYS[4], "failed", at(20, 12, 1), DENIED, "denied")
    skipped = (DAYS[4], "skipped", at(20, 12, 1), None, None)
    assert rows(history, query) == [
        # target, date, captured at, builds, last attempt, failed since, stale
        (*LONE, DAYS[0], at(16, 12), 1, *denied, 4, True),
        (*HOME, DAYS[4], at(20, 12), 8, *complete, 0, True),
        (*OTHER, DAYS[4], at(20, 12), 7, *complete, 0, True),
        (*SKIPPED, None, None, None, *skipped, 0, False),
        (*NEVER, None, None, None, *denied, 5, True),
    ]
