"""The analysis views over current rows say what the small history holds, row by row."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.api import BUILD_STATUSES
from schemas.view import views
from tests.rows import Row, Target, ami, arn_of, build, container_uri, covered, dicts, filled, rows
from tests.small_history import (
    DAYS,
    DENIED,
    HOME,
    LISTED,
    LONE,
    NEVER,
    OTHER,
    SKIPPED,
    at,
    builds_on,
    history,
    last_sights,
    small_lake,
    small_warehouse,
)
from tests.test_views import key_of
from tests.test_writer import Rows, commit_rows

__all__ = ["history", "small_lake", "small_warehouse"]  # fixtures are used by their names

WEB = (*HOME, HOME[0], "web")
DB = (*HOME, HOME[0], "db")
APP = (*HOME, HOME[0], "app")
BATCH = (*OTHER, OTHER[0], "batch")
API = (*OTHER, OTHER[0], "api")
TOOL = (*LONE, LONE[0], "tool")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commits runs, given as dates' rows, and answers a query over them."""
    monkeypatch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
    folder = open_folder(str(tmp_path / "lake"))

    def answer(query: str, *runs: Rows) -> list[tuple[Any, ...]]:
        for number, run in enumerate(runs):
            commit_rows(folder, DAYS[number], run)
        publish(folder, tmp_path / "asked.duckdb")
        with connect(tmp_path / "asked.duckdb") as connection:
            return rows(connection, query)

    return answer


def whole_run(
    day: int, builds: Sequence[Row], amis: Sequence[Row] = (), **more: Sequence[Row]
) -> Rows:
    """A run of the home target alone, read whole."""
    return {
        "image_builds": builds,
        "image_amis": amis,
        "snapshot_targets": [covered(HOME, DAYS[day], "complete", "whole", len(builds))],
        "snapshots": [{"status": "complete"}],
        **more,
    }


# On the small history: whole rows


def test_last_known_builds_are_the_newest_sights(history: duckdb.DuckDBPyConnection) -> None:
    """Those that are gone too, each as its newest capture had it, to the last column."""
    expected = []
    for (target, image), day in last_sights().items():
        (row,) = (b for b in builds_on(day, target) if b["arn"] == arn_of(target, image))
        newest = 0 if target == LONE else 4
        expected.append({**row, "snapshot_date": DAYS[day], "is_present": day == newest})
    found = dicts(history, "select * exclude (run_id) from last_known_builds order by arn")
    told = [filled(row) for row in found]
    assert told == sorted(map(filled, expected), key=lambda row: row["arn"])
    assert Counter(row["is_present"] for row in told) == {True: 16, False: 2}


def test_present_builds_are_the_current_ones(history: duckdb.DuckDBPyConnection) -> None:
    """In every column, the run included."""
    present = "select * exclude (is_present) from last_known_builds where is_present order by all"
    assert rows(history, present) == rows(history, "from current_builds order by all")


def test_builds_that_are_gone_count_in_their_days_outcomes(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """By UTC days; 1.9.0/2 failed and was deleted, what a DELETED or unknown one was is not known."""
    user, scheduled = ("USER_INITIATED", "Linux"), ("SCHEDULED", "Linux")
    linux, windows = (None, "Linux"), (None, "Windows")
    assert rows(history, "from build_outcomes_daily order by all") == [
        # day, image, build type, platform, builds, succeeded, failed, cancelled, running, other, rate
        (at(10, 0).date(), *BATCH, *windows, 1, 0, 1, 0, 0, 0, 0.0),
        (at(12, 0).date(), *BATCH, *windows, 1, 0, 1, 0, 0, 0, 0.0),
        (at(13, 0).date(), *API, *linux, 1, 0, 0, 0, 0, 1, None),
        (at(14, 0).date(), *APP, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(14, 0).date(), *DB, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(15, 0).date(), *TOOL, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(15, 0).date(), *WEB, *scheduled, 1, 0, 1, 0, 0, 0, 0.0),
        (at(15, 0).date(), *WEB, *user, 1, 1, 0, 0, 0, 0, 1.0),
        (at(15, 0).date(), *API, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(16, 0).date(), *DB, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(16, 0).date(), *API, *linux, 1, 0, 0, 1, 0, 0, None),
        (at(16, 0).date(), *BATCH, *windows, 1, 0, 0, 0, 1, 0, None),
        (at(17, 0).date(), *WEB, *scheduled, 1, 1, 0, 0, 0, 0, 1.0),
        (at(18, 0).date(), *APP, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(18, 0).date(), *WEB, *scheduled, 1, 0, 0, 0, 1, 0, None),
        (at(19, 0).date(), *WEB, *scheduled, 1, 0, 1, 0, 0, 0, 0.0),
        (at(20, 0).date(), *DB, *linux, 1, 0, 0, 0, 1, 0, None),
        (None, *API, *linux, 1, 0, 0, 0, 0, 1, None),
    ]


def test_one_failure_of_two_builds_is_one_hotspot(history: duckdb.DuckDBPyConnection) -> None:
    """Whatever its ids and addresses, and the component's account, region and version, are."""
    newest = "exit status 1 on i-0aaaabbbbcccc0002 at 10.0.0.2"
    timed_out = "Workflow Execution ID 'wf-0b1c2d3e-1111-2222-3333-444455556666' failed"
    assert rows(history, "from failure_hotspots order by build_count desc") == [
        (
            *("ApplyBuildComponents", "agent", "build", "Install", "ExecuteBash"),
            "exit status <n> on i-<id> at <ip>",
            *(2, 2, at(12, 8), at(19, 10)),
            *(arn_of(HOME, "web/1.10.0/2"), newest, "/aws/imagebuilder/web"),
        ),
        (
            *(None, None, None, None, None),
            "Workflow Execution ID 'wf-<uuid>' failed",
            *(1, 1, at(10, 8), at(10, 8)),
            *(arn_of(OTHER, "batch/0.8.0/1"), timed_out, None),
        ),
    ]


def test_a_region_that_the_newest_build_misses_says_so(history: duckdb.DuckDBPyConnection) -> None:
    """1.10.0 is the newest, though its eu-west-1 AMI failed: 1.9.0 was the last to get there."""
    web = arn_of(HOME, "web/1.10.0/1")
    older = arn_of(HOME, "web/1.9.0/1")
    db, api, tool = (
        arn_of(HOME, "db/1.1.0/1"),
        arn_of(OTHER, "api/1.0.0/1"),
        arn_of(LONE, "tool/1.0.0/1"),
    )
    assert rows(history, "from ami_region_coverage order by all") == [
        # image, name, AMI region and account, considered, reached, newest, missing, last, its AMI
        (*TOOL, "TOOL", *LONE[::-1], 1, 1, tool, False, tool, "ami-tool/1.0.0/1-ap-south-1"),
        (*DB, "DB", *HOME[::-1], 1, 1, db, False, db, "ami-db/1.1.0/1-us-east-1"),
        (
            *(*WEB, "Web Server", "eu-west-1", HOME[0], 2, 1, web, True, older),
            "ami-web/1.9.0/1-eu-west-1",
        ),
        (
            *(*WEB, "Web Server", "us-east-1", HOME[0], 2, 2, web, False, web),
            "ami-web/1.10.0/1-us-east-1",
        ),
        (*API, "API", *OTHER[::-1], 1, 1, api, False, api, "ami-api/1.0.0/1-eu-west-1"),
    ]


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


def test_a_required_key_that_nobody_uses_shows(history: duckdb.DuckDBPyConnection) -> None:
    """Owner, as the newest snapshot was told; Legacy was asked for by the first one only."""
    assert rows(history, "from tag_coverage order by all") == [
        # target, key, required, builds, tagged, untagged, share
        (*LONE, "Owner", True, 1, 0, 1, 0.0),
        (*LONE, "Team", True, 1, 0, 1, 0.0),
        (*HOME, "Owner", True, 8, 0, 8, 0.0),
        (*HOME, "Stage", False, 8, 1, 7, 0.125),
        (*HOME, "Team", True, 8, 1, 7, 0.125),
        (*OTHER, "Owner", True, 7, 0, 7, 0.0),
        (*OTHER, "Team", True, 7, 1, 6, 1 / 7),
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


def test_a_tag_belongs_to_the_newest_build_that_lists_it(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """`latest` moved on; the digest is the newest build's alone."""
    query = """
        select account_id, region, image_arn, image_uri, registry, repository, tag, digest,
            container_region, name, image_owner_account, image_slug, semantic_version,
            build_number, state_status, created_at, snapshot_date, captured_at, owner_arn, is_owner
        from container_images order by image_arn, image_uri
    """
    registry = "111111111111.dkr.ecr.us-east-1.amazonaws.com"
    first, second = arn_of(HOME, "app/1.0.0/1"), arn_of(HOME, "app/1.1.0/1")
    place = ("us-east-1", "APP", HOME[0], "app")
    old = (*place, "1.0.0", 1, "AVAILABLE", at(14, 10), DAYS[4], at(20, 12))
    new = (*place, "1.1.0", 1, "AVAILABLE", at(18, 13), DAYS[4], at(20, 12))
    uri = f"{registry}/app"
    version = (f"{uri}:1.0.0", registry, "app", "1.0.0", None)
    latest = (f"{uri}:latest", registry, "app", "latest", None)
    by_digest = (f"{uri}@sha256:abc", registry, "app", None, "sha256:abc")
    assert rows(history, query) == [
        (*HOME, first, *version, *old, first, True),
        (*HOME, first, *latest, *old, second, False),
        (*HOME, second, *latest, *new, second, True),
        (*HOME, second, *by_digest, *new, second, True),
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


# By rules that the small history does not reach


def test_freshness_goes_by_the_hours_since_the_capture(ask: Any) -> None:
    """36 hours are fresh, an hour more is stale; a carried capture does not hide the denial."""
    now = datetime.now(UTC)
    fresh, stale, carried = (
        {**covered(target, DAYS[0], "complete", "whole", 1), "captured_at": now - age}
        for target, age in (
            (HOME, timedelta(hours=35.95)),
            (OTHER, timedelta(hours=37)),
            (LONE, timedelta(hours=1)),
        )
    )
    carried |= {"status": "failed", "carried_from": "earlier"}
    run = {"snapshot_targets": [fresh, stale, carried], "snapshots": [{"status": "complete"}]}
    query = """
        select account_id, region, round(age_hours), last_attempt_status, failed_attempt_count,
            is_stale
        from target_freshness order by all
    """
    assert ask(query, run) == [
        (*LONE, 1.0, "failed", 1, False),
        (*HOME, 36.0, "complete", 0, False),
        (*OTHER, 37.0, "complete", 0, True),
    ]


def test_attempts_since_the_newest_complete_capture_are_counted(ask: Any) -> None:
    """A cut listing is none; a failure before the capture does not count, nor does a skip."""
    covers = [("failed", "none"), ("complete", "whole"), ("truncated", "part"), ("failed", "none")]
    covers += [("skipped", "none")]
    runs = [
        {"snapshot_targets": [covered(HOME, DAYS[day], *cover)], "snapshots": [{}]}
        for day, cover in enumerate(covers)
    ]
    query = "select snapshot_date, last_attempt_status, failed_attempt_count from target_freshness"
    assert ask(query, *runs) == [(DAYS[1], "skipped", 2)]


def test_a_deprecation_is_due_in_so_many_days(ask: Any) -> None:
    """Whole days, rounded down; the bounds are 30, 60 and 90 times 24 hours."""
    expected = [
        (-0.5, "overdue", -1),
        (0.5, "30 days", 0),
        (29.5, "30 days", 29),
        (30.5, "60 days", 30),
        (59.5, "60 days", 59),
        (60.5, "90 days", 60),
        (89.5, "90 days", 89),
        (90.5, "later", 90),
    ]
    builds = [
        build(
            HOME,
            DAYS[0],
            f"web/1.0.0/{number}",
            "AVAILABLE",
            deprecation_time=datetime.now(UTC) + timedelta(days=days),
        )
        for number, (days, *_) in enumerate(expected)
    ]
    query = "select due, days_left from deprecations order by build_number"
    assert ask(query, whole_run(0, builds)) == [(due, left) for _, due, left in expected]


def test_a_successor_is_newer_by_numbers_and_available(ask: Any) -> None:
    """1.10.0 after 1.9.0, build 2 after build 1; a failed or deprecated one succeeds nothing."""
    listed = {
        "web/1.9.0/2": "AVAILABLE",
        "web/1.10.0/1": "AVAILABLE",
        "web/1.10.0/2": "FAILED",
        "web/1.11.0/1": "DEPRECATED",
        "db/1.0.0/1": "AVAILABLE",
        "db/1.0.0/2": "AVAILABLE",
        "db/1.0.0/10": "AVAILABLE",
    }
    builds = [
        build(HOME, DAYS[0], image, status, deprecation_time=at(1, 0))
        for image, status in listed.items()
    ]
    builds += [  # an ARN that does not tell an image: nothing succeeds it
        {**builds[0], "arn": arn, "image_slug": None, "image_owner_account": None}
        for arn in ("odd/1", "odd/2")
    ]
    query = "select arn, has_successor, successor_arn from deprecations order by arn"
    newest_web, newest_db = arn_of(HOME, "web/1.10.0/1"), arn_of(HOME, "db/1.0.0/10")
    assert ask(query, whole_run(0, builds)) == [
        (arn_of(HOME, "db/1.0.0/1"), True, newest_db),
        (newest_db, False, None),
        (arn_of(HOME, "db/1.0.0/2"), True, newest_db),
        (newest_web, False, None),
        (arn_of(HOME, "web/1.9.0/2"), True, newest_web),
        ("odd/1", False, None),
        ("odd/2", False, None),
    ]


OUTCOMES: dict[str | None, str] = {
    **dict.fromkeys(("AVAILABLE", "DEPRECATED", "DISABLED"), "succeeded"),
    **dict.fromkeys(
        ("PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING"), "running"
    ),
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "DELETED": "other",
    "ARCHIVED": "other",
    None: "other",
}


def test_every_state_is_one_outcome(ask: Any) -> None:
    """All that the API is known to send, one that it is not, and none at all."""
    assert {*BUILD_STATUSES, "ARCHIVED", None} == set(OUTCOMES)
    names = ("succeeded", "failed", "cancelled", "running", "other")
    builds = [build(HOME, DAYS[0], f"{str(status).lower()}/1.0.0/1", status) for status in OUTCOMES]
    query = """
        select image_slug, succeeded_count, failed_count, cancelled_count, running_count, other_count
        from build_outcomes_daily
    """
    found = {slug: counts for slug, *counts in ask(query, whole_run(0, builds))}
    assert found == {
        str(status).lower(): [int(name == outcome) for name in names]
        for status, outcome in OUTCOMES.items()
    }
    succeeded = dict(ask("select image_slug, succeeded_count from image_age"))
    assert succeeded == {slug: counts[0] for slug, counts in found.items()}


def test_what_is_deleted_failed_where_it_tells_of_a_failure(ask: Any) -> None:
    """A build that was running when it was last seen, and is gone, is not running any more."""
    first = [
        build(HOME, DAYS[0], "web/1.0.0/1", "BUILDING"),
        build(HOME, DAYS[0], "web/1.0.0/2", "DELETED", failure_step="LaunchBuildInstance"),
        build(HOME, DAYS[0], "web/1.0.0/3", "AVAILABLE"),
        build(HOME, DAYS[0], "web/1.0.0/4", "AVAILABLE"),
    ]
    query = """
        select created_date, build_count, succeeded_count, failed_count, running_count,
            other_count, success_rate
        from build_outcomes_daily
    """
    found = ask(query, whole_run(0, first), whole_run(1, []))
    assert found == [(None, 4, 2, 1, 0, 1, 2 / 3)]


def test_usual_is_what_nineteen_of_twenty_builds_took(ask: Any) -> None:
    """One of twenty that took for ever sets no measure; less than a day is never stuck."""
    hours = [20 + number for number in range(19)] + [500]
    created = [at(17, 12) - timedelta(hours=spent) for spent in hours]
    running = {"BUILDING": 0, "AVAILABLE": 1}
    runs = []
    for status, day in running.items():
        builds = [
            build(HOME, DAYS[day], f"web/1.0.0/{number}", status, created_at=since)
            for number, since in enumerate(created)
        ]
        for image, age in (("web/2.0.0/1", 38), ("web/2.0.0/2", 39), ("db/1.0.0/1", 23)):
            since = at(17, 12) - timedelta(hours=age)
            builds.append(build(HOME, DAYS[day], image, "TESTING", created_at=since))
        runs.append(whole_run(day, builds))
    query = "select arn, running_hours, usual_hours, completion_count from stuck_builds"
    assert ask(query, *runs) == [(arn_of(HOME, "web/2.0.0/2"), 39.0, 38.0, 20)]


def test_a_build_ends_between_captures_of_several_pages(ask: Any) -> None:
    """A build's page comes before its target's newest; who was there before and is new to us is none.

    The second build was seen running, missed a capture and came back; the third says it runs again.
    """
    pages = timedelta(minutes=5)
    told = {
        "web/1.0.0/1": ("BUILDING", "AVAILABLE", "AVAILABLE"),
        "web/1.0.0/2": ("TESTING", None, "FAILED"),
        "web/1.0.0/3": (None, "AVAILABLE", "BUILDING"),
        "web/1.0.0/4": (None, "AVAILABLE", "AVAILABLE"),
        "web/1.0.0/5": (None, None, "DEPRECATED"),
        "web/1.0.0/6": ("AVAILABLE", "AVAILABLE", "AVAILABLE"),
    }
    created = dict.fromkeys(told, at(16, 10)) | {"web/1.0.0/5": at(18, 8)}
    runs = []
    for day in range(3):
        listed = {image: states[day] for image, states in told.items()}
        run = whole_run(
            day,
            [
                build(HOME, DAYS[day], image, state, created_at=created[image])
                for image, state in listed.items()
                if state
            ],
        )
        (target,) = run["snapshot_targets"]
        target = {**target, "captured_at": target["captured_at"] + pages}
        runs.append({**run, "snapshot_targets": [target]})
    query = """
        select build_number, state_status, seen_running_at, at_least_hours, at_most_hours
        from build_completions order by build_number
    """
    assert ask(query, *runs) == [
        (1, "AVAILABLE", at(16, 12, 5), 2 + 5 / 60, 26.0),
        (2, "FAILED", at(16, 12, 5), 2 + 5 / 60, 50.0),
        (5, "DEPRECATED", None, 0.0, 4.0),
    ]


def test_amis_beyond_the_newest_three_builds_are_sprawl(ask: Any) -> None:
    """By region: what is deprecated counts, but needs no keeping; what failed is not there."""
    listed: dict[str, tuple[str, dict[str, str | None]]] = {
        "web/1.10.0/1": ("AVAILABLE", {"us-east-1": "AVAILABLE"}),
        "web/1.9.5/1": ("AVAILABLE", {"us-east-1": "DISABLED"}),
        "web/1.9.0/2": ("AVAILABLE", {"us-east-1": "AVAILABLE", "eu-west-1": None}),
        "web/1.9.0/1": ("DEPRECATED", {"us-east-1": "DEPRECATED"}),
        "web/1.8.0/1": ("AVAILABLE", {"us-east-1": "FAILED", "eu-west-1": "AVAILABLE"}),
        "web/1.7.0/1": ("AVAILABLE", {"us-east-1": "AVAILABLE", "eu-west-1": "AVAILABLE"}),
        "web/1.6.0/1": ("AVAILABLE", {"us-east-1": None}),
        "web/1.5.0/1": ("DEPRECATED", {"us-east-1": "DISABLED", "eu-west-1": "DELETED"}),
        "web/1.4.0/1": ("FAILED", {"us-east-1": "AVAILABLE"}),
        "db/1.0.0/1": ("AVAILABLE", {"us-east-1": "AVAILABLE"}),
    }
    builds = [build(HOME, DAYS[0], image, status) for image, (status, _) in listed.items()]
    amis = [
        ami(HOME, DAYS[0], image, position, region, status)
        for image, (_, places) in listed.items()
        for position, (region, status) in enumerate(places.items())
    ]
    # the same AMI twice in a build's list is one build's, and two rows
    for image in ("web/1.9.0/2", "web/1.6.0/1"):
        amis.append(ami(HOME, DAYS[0], image, 7, "us-east-1", None))
    query = """
        select image_arn, position, ami_id, state_status, ami_state_status, excess_count
        from build_sprawl order by image_arn, position
    """
    last, twice = arn_of(HOME, "web/1.5.0/1"), arn_of(HOME, "web/1.6.0/1")
    ami_id = "ami-web/1.6.0/1-us-east-1"
    found = ask(query.replace("state_status, ami", "ami", 1), whole_run(0, builds, amis))
    assert found == [
        (last, 0, "ami-web/1.5.0/1-us-east-1", "DISABLED", 3),
        (twice, 0, ami_id, "AVAILABLE", 3),
        (twice, 7, ami_id, "AVAILABLE", 3),
    ]


def test_five_builds_are_looked_at_for_an_images_regions(ask: Any) -> None:
    """The sixth newest does not tell, nor do those that are not AVAILABLE; of an AMI that is listed
    twice the last counts, as in golden_amis."""
    places = {
        "web/1.12.0/1": (),
        "web/1.11.0/1": ("us-east-1", "us-east-1"),
        "web/1.10.0/1": ("us-east-1",),
        "web/1.9.0/1": ("eu-west-1",),
        "web/1.8.0/1": ("us-east-1",),
        "web/1.7.0/1": ("sa-east-1",),
    }
    builds = [build(HOME, DAYS[0], image, "AVAILABLE") for image in places]
    builds.append(build(HOME, DAYS[0], "web/2.0.0/1", "FAILED"))
    amis = [
        {**ami(HOME, DAYS[0], image, position, region, None), "ami_id": f"ami-{position}"}
        for image, regions in {**places, "web/2.0.0/1": ("ap-south-1",)}.items()
        for position, region in enumerate(regions)
    ]
    query = """
        select ami_region, considered_count, reached_count, is_missing_in_newest, newest_arn,
            last_arn, last_ami_id, golden_amis.ami_id
        from ami_region_coverage join golden_amis using (image_slug, ami_region) order by all
    """
    newest = arn_of(HOME, "web/1.12.0/1")
    assert ask(query, whole_run(0, builds, amis)) == [
        ("eu-west-1", 5, 1, True, newest, arn_of(HOME, "web/1.9.0/1"), "ami-0", "ami-0"),
        ("us-east-1", 5, 3, True, newest, arn_of(HOME, "web/1.11.0/1"), "ami-1", "ami-1"),
    ]


def test_a_uri_belongs_to_the_last_build_whichever_image_it_is_of(ask: Any) -> None:
    """By creation time: a fix of an old version moves the tag back. Who is not AVAILABLE owns none."""
    made = {
        "app/2.0.0/1": ("AVAILABLE", at(14, 1)),
        "app/1.9.1/1": ("AVAILABLE", at(15, 1)),
        "fork/1.0.0/1": ("DEPRECATED", at(15, 2)),
        "fork/1.0.0/2": ("BUILDING", at(15, 3)),
    }
    builds = [
        build(HOME, DAYS[0], image, status, created_at=since)
        for image, (status, since) in made.items()
    ]
    uris = [container_uri(HOME, DAYS[0], image, 0, "app", "latest") for image in made]
    uris.append(container_uri(HOME, DAYS[0], "fork/1.0.0/1", 1, "app", "gone"))
    uris.append({**uris[0], "uri_position": 1})  # listed twice: one row
    uris.append({**uris[0], "uri_position": 2, "image_uri": None})  # and a container without a URI
    query = "select image_slug, build_number, tag, owner_arn, is_owner from container_images"
    owner = arn_of(HOME, "app/1.9.1/1")
    assert ask(
        f"{query} order by created_at, tag desc", whole_run(0, builds, image_containers=uris)
    ) == [
        ("app", 1, "latest", owner, False),
        ("app", 1, "latest", owner, True),
        ("fork", 1, "latest", owner, False),
        ("fork", 1, "gone", None, False),
        ("fork", 2, "latest", owner, False),
    ]


FOLDED: list[tuple[str | None, str | None]] = [
    (
        "User: arn:aws:sts::111122223333:assumed-role/x/i-0ab is not authorized to perform: "
        "s3:GetObject on resource: arn:aws-cn:s3:::b/key*",
        "User: <arn> is not authorized to perform: s3:GetObject on resource: <arn>",
    ),
    (
        "Workflow Execution ID 'wf-0b1c2d3e-1111-2222-3333-444455556666' failed",
        "Workflow Execution ID 'wf-<uuid>' failed",
    ),
    ("vol-0a1b2c3d4e5f60718 of i-0123456789abcdef0", "vol-<id> of i-<id>"),
    (
        "eu-west-1 at 2025-11-20T12:00:01.123Z, RequestID: 4442587FB7D0A2F9",
        "eu-west-1 at <time>, RequestID: <id>",
    ),
    ("at 2025-11-20 12:00:01 UTC or 12:00:01", "at <time> or <time>"),
    ("Nov 20 10:11:12 kernel: [ 12.345678] oom", "<time> kernel: [ <n>] oom"),
    ("from 10.0.0.1:443 or fe80::1 on ip-10-0-0-1", "from <ip>:<n> or <ip> on <ip>"),
    ("sha256:" + "ab12" * 16 + " is not 3.14", "sha256:<id> is not <n>"),
    ("took 12.5s of 30 s, (99%)\n\n retry", "took <n>s of <n> s, (<n>%) retry"),
    ("0x80240438 at 0x7ffdeadbeef0", "0x80240438 at <id>"),
    ("kernel 6.1.0-5.el9, v1.10.0", "kernel <n>.el9, v<n>"),
    (
        "Encoded authorization failure message: aB-c_1/x== denied",
        "Encoded authorization failure message: <id> denied",
    ),
    ("al2023 python3 CVE-2024-3094 std::string", "al2023 python3 CVE-2024-3094 std::string"),
    (None, None),
]


def test_what_differs_from_build_to_build_is_folded(ask: Any) -> None:
    """And what tells one failure from another stays."""
    builds = [
        build(HOME, DAYS[0], f"web/1.0.0/{number}", "FAILED", state_reason=message)
        for number, (message, _) in enumerate(FOLDED)
    ]
    query = "select example_message, error_pattern from failure_hotspots"
    assert dict(ask(query, whole_run(0, builds))) == dict(FOLDED)


def test_required_tags_are_those_of_the_newest_snapshot(parameters: Any, ask: Any) -> None:
    """As the run's own parameters write them, whatever is in a key; none required is none shown."""
    odd = ["Team", "Team", 'it\'s "odd" ü {}']
    told = parameters(required_tag=odd).to_json()
    assert json.loads(told)["required_tag"] == odd
    run = whole_run(0, [build(HOME, DAYS[0], "web/1.0.0/1", "AVAILABLE")])
    query = "select tag_key, is_required, build_count, tagged_count from tag_coverage order by all"
    assert ask(query, {**run, "snapshots": [{"parameters": told}]}) == [
        ("Team", True, 1, 0),
        (odd[2], True, 1, 0),
    ]
    assert ask(query, {**run, "snapshots": [{"parameters": parameters().to_json()}]}) == []


# On a history drawn at random: what must hold of every one

CASES = range(3)
STATUSES = [*OUTCOMES, *(["AVAILABLE"] * len(OUTCOMES)), "FAILED", "FAILED"]


def random_run(dice: random.Random, day: int) -> Rows:
    """Builds of few images in three targets, with holes, twins and lists that name a place twice."""
    table: dict[str, list[Row]] = {
        name: [] for name in ("image_builds", "image_amis", "image_containers", "snapshot_targets")
    }
    for target in (HOME, OTHER, LONE):
        coverage = dice.choice(["whole", "whole", "filtered", "none"])
        builds = [] if coverage == "none" else dice.sample(range(60), dice.randrange(20, 50))
        status = "failed" if coverage == "none" else "complete"
        table["snapshot_targets"].append(covered(target, DAYS[day], status, coverage, len(builds)))
        for number in builds:
            image = f"{'abc'[number % 3]}/1.{number % 7}.0/{number}"
            row = dict(build(target, DAYS[day], image, dice.choice(STATUSES)))
            row["created_at"] = dice.choice([None, at(1, 0) + timedelta(hours=number * 9)])
            row["build_type"] = dice.choice([None, "SCHEDULED"])
            row["deprecation_time"] = dice.choice([None, at(20, number % 24)])
            row["lifecycle_execution_id"] = dice.choice([None, "lce-1", "lce-2"])
            row["state_reason"] = dice.choice([None, f"exit status {number}", "out of memory"])
            row["tags"] = dice.choice([None, [], [("Team", "x"), ("", None)]])
            if number % 13 == 0:  # an ARN that tells nothing
                row |= {"image_slug": None, "image_owner_account": None, "version_major": None}
            table["image_builds"].append(row)
            for position in range(dice.randrange(4)):
                region, state = dice.choice([None, "x", "y"]), dice.choice(STATUSES)
                listed = ami(target, DAYS[day], image, position, region, state)
                table["image_amis"].append(listed)
            for position in range(dice.randrange(3)):
                tag = dice.choice(["latest", f"1.{number % 7}"])
                uri = container_uri(target, DAYS[day], image, position, "app", tag)
                table["image_containers"].append(uri)
    return {**table, "snapshots": [{"parameters": '{"required_tag":["Owner"]}'}]}


def write_random_history(folder: Folder, seed: int) -> list[Rows]:
    """Commits a run of each date, and one that is superseded; returns those that show."""
    dice = random.Random(seed)  # noqa: S311 - a history, no secret
    runs = [random_run(dice, day) for day in range(len(DAYS))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        commit_rows(folder, DAYS[2], random_run(dice, 2))
        for day, run in zip(DAYS, runs, strict=True):
            commit_rows(folder, day, run)
    return runs


@pytest.fixture(scope="module", params=CASES)
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Rows]]]:
    """A random history and its runs, the newest of each date."""
    root = tmp_path_factory.mktemp("drawn")
    folder = open_folder(str(root / "lake"))
    runs = write_random_history(folder, request.param)
    publish(folder, root / "imagelake.duckdb")
    with connect(root / "imagelake.duckdb") as connection:
        yield connection, runs


Drawn = tuple[duckdb.DuckDBPyConnection, list[Rows]]


def test_every_grain_is_a_key(history: duckdb.DuckDBPyConnection, drawn: Drawn) -> None:
    """On the small history and on every random one."""
    for connection in (history, drawn[0]):
        for view in views():
            key = ", ".join(key_of(view))
            twice = f"select {key} from {view.name} group by {key} having count(*) > 1"  # noqa: S608 - the views' own words
            assert rows(connection, twice) == [], view.name


def test_the_last_known_state_is_found_as_python_finds_it(drawn: Drawn) -> None:
    """Over the captures of the kind that the target's current rows are of."""
    connection, runs = drawn
    covers = {
        ((row["account_id"], row["region"]), day): row["coverage"]
        for day, run in enumerate(runs)
        for row in run["snapshot_targets"]
    }
    expected = {}
    for target in (HOME, OTHER, LONE):
        kind = next(
            (kind for kind in ("whole", "filtered") if kind in _kinds(covers, target)), None
        )
        days = [day for day in range(len(DAYS)) if covers[target, day] == kind]
        for day in days:
            for row in runs[day]["image_builds"]:
                if (row["account_id"], row["region"]) == target:
                    expected[row["arn"]] = (DAYS[day], row["state_status"], day == days[-1])
    found = rows(
        connection, "select arn, snapshot_date, state_status, is_present from last_known_builds"
    )
    assert {arn: tuple(rest) for arn, *rest in found} == expected
    assert len(found) == len(expected) > 20


def _kinds(covers: dict[tuple[Target, int], str], target: Target) -> set[str]:
    return {coverage for (of, _), coverage in covers.items() if of == target}


def test_sums_of_a_random_history_agree(drawn: Drawn) -> None:
    """No build is lost or counted twice between the views."""
    connection, _ = drawn
    (outcomes,) = rows(
        connection,
        """
        select sum(build_count)::bigint,
            sum(succeeded_count + failed_count + cancelled_count + running_count + other_count)::bigint
        from build_outcomes_daily
        """,
    )
    ((known,),) = rows(connection, "select count(*) from last_known_builds")
    assert outcomes == (known, known)
    ((failed, hot),) = rows(
        connection,
        "select (select count(*) from failed_builds), sum(build_count)::bigint from failure_hotspots",
    )
    assert failed == hot > 0
    aged = "select sum(build_count)::bigint from image_age"
    imaged = "select count(*) from current_builds where image_slug is not null"
    assert rows(connection, aged) == rows(connection, imaged)
    ((count,),) = rows(connection, "select count(*) from ami_region_coverage where last_arn <> ''")
    placed = rows(
        connection,
        """
        select count(*), count(*) filter (where g.build_arn = c.last_arn and g.ami_id = c.last_ami_id)
        from ami_region_coverage as c
        join golden_amis as g using (account_id, region, image_slug, ami_region, ami_account_id)
        """,
    )
    assert placed == [(count, count)]
    assert count > 5


def test_states_of_the_small_history_are_all_that_the_api_knows_but_one() -> None:
    """So that what is told of it is told of states that there are."""
    told = {state for states in LISTED.values() for state in states if state}
    assert told - set(OUTCOMES) == set()
    assert "ARCHIVED" in told
