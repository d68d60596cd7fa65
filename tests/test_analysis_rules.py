"""The analysis views where the small history does not reach: freshness, dates, outcomes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.api import BUILD_STATUSES
from tests.analysis import ask, whole_run
from tests.rows import Target, arn_of, build, covered
from tests.small_history import (
    DAYS,
    HOME,
    LONE,
    OTHER,
    at,
)
from tests.test_writer import Rows

__all__ = ["ask"]  # a fixture is used by its name


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


UNLISTED = (OTHER[0], "all")
"""What stands for the other account where its regions could not be listed."""
LATER = {"complete": "whole", "failed": "none", "skipped": "none"}
"""By status of a region that is asked later, what shows of it."""


def listings(*dates: dict[Target, str]) -> list[Rows]:
    """A run a date, of each target as its listing ended."""
    return [
        {
            "snapshot_targets": [
                covered(target, DAYS[day], status, LATER[status])
                for target, status in targets.items()
            ],
            "snapshots": [{}],
        }
        for day, targets in enumerate(dates)
    ]


@pytest.mark.parametrize("status", LATER)
def test_an_account_is_no_target_once_its_regions_are_asked(ask: Any, status: str) -> None:
    """However that ended; what of it was told then is kept, and joins to no target."""
    runs = listings({HOME: "complete", UNLISTED: "failed"}, {HOME: "complete", OTHER: status})
    query = "select account_id, region, last_attempt_date, last_attempt_status from {} order by all"
    told = [(*HOME, DAYS[1], "complete"), (*OTHER, DAYS[1], status)]
    assert ask(query.format("target_freshness"), *runs) == told
    assert ask(query.format("bi.targets")) == ask(query.format("bi.target_freshness")) == told
    kept = "select coverage_key, target_key from bi.coverage where region = 'all'"
    assert ask(kept) == [("/".join((*UNLISTED, str(DAYS[0]))), None)]


@pytest.mark.parametrize(
    ("dates", "failures", "read"),
    [
        ([{HOME: "complete", UNLISTED: "failed"}, {HOME: "complete"}], 1, None),
        ([{OTHER: "complete"}, {UNLISTED: "failed"}, {UNLISTED: "failed"}], 2, 0),
        ([{UNLISTED: "failed"}, {OTHER: "complete"}, {UNLISTED: "failed"}], 1, 1),
        ([{OTHER: "complete", UNLISTED: "failed"}], 1, 0),
        ([{OTHER: "failed"}, {UNLISTED: "failed"}], 1, None),
    ],
    ids=["another account's are", "asked before", "once more", "of the same date", "never read"],
)
def test_an_account_whose_regions_are_not_listed_is_as_old_as_they_are(
    ask: Any, dates: list[dict[Target, str]], failures: int, read: int | None
) -> None:
    """Until they are listed: what failed before they last were is not counted. By now it is stale."""
    query = """
        select snapshot_date, builds, last_attempt_date, last_attempt_status, failed_attempt_count,
            is_stale
        from target_freshness where region = 'all'
    """
    last = DAYS[max(day for day, targets in enumerate(dates) if UNLISTED in targets)]
    day = None if read is None else DAYS[read]
    assert ask(query, *listings(*dates)) == [(day, None, last, "failed", failures, True)]
    joined = """
        select max(c.snapshot_date)
        from bi.coverage as c join bi.targets as t using (target_key) where t.region = 'all'
    """
    assert ask(joined) == [(last,)]


@pytest.mark.parametrize(("hours", "is_stale"), [(35.9, False), (37, True)])
def test_an_account_whose_regions_are_not_listed_is_stale_after_36_hours(
    ask: Any, hours: float, is_stale: bool
) -> None:
    """Like any target, by the newest capture of any of its regions: not at once."""
    read = datetime.now(UTC) - timedelta(hours=hours)
    regions = [
        {**covered((OTHER[0], region), DAYS[0], "complete", "whole", 1), "captured_at": at}
        for region, at in (("eu-west-1", read), ("us-east-1", read - timedelta(days=3)))
    ]
    runs = [
        {"snapshot_targets": regions, "snapshots": [{}]},
        {"snapshot_targets": [covered(UNLISTED, DAYS[1], "failed", "none")], "snapshots": [{}]},
    ]
    query = """
        select captured_at, round(age_hours), failed_attempt_count, is_stale
        from target_freshness where region = 'all'
    """
    assert ask(query, *runs) == [(read, round(hours), 1, is_stale)]


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


def test_what_succeeded_has_done_so_though_it_was_deleted_since(ask: Any) -> None:
    """By any whole capture before, though the build was gone from one between."""
    succeeded = ("AVAILABLE", "DEPRECATED", "DISABLED")
    told = {
        **{f"web/1.0.0/{n}": (status, "DELETED", "DELETED") for n, status in enumerate(succeeded)},
        "web/1.0.0/3": ("AVAILABLE", None, "DELETED"),
        "web/1.0.0/4": ("BUILDING", "AVAILABLE", "DELETED"),
        "web/2.0.0/1": ("BUILDING", "DELETED", "DELETED"),
        "web/2.0.0/2": ("FAILED", "FAILED", "DELETED"),
    }
    runs = []
    for day in range(3):
        states = {image: states[day] for image, states in told.items()}
        builds = [
            build(
                HOME,
                DAYS[day],
                image,
                state,
                failure_step="Test" if image > "web/2.0.0/1" else None,
            )
            for image, state in states.items()
            if state
        ]
        runs.append(whole_run(day, builds))
    query = "select succeeded_count, failed_count, other_count from build_outcomes_daily"
    assert ask(query, *runs) == [(5, 1, 1)]
    assert ask(query, *runs, whole_run(3, [])) == [(5, 1, 1)]


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
