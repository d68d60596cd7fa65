"""A run's summary and what it changed, by hand; some names would be obeyed if they were shown raw."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from extract.targets import TargetOutcome
from flows.coverage import Shown
from flows.pipeline import Summary
from flows.timing import Stage
from lake.effects import (
    Effects,
    Found,
    GoldenChange,
    GoneBuild,
    NewFailure,
    StateCount,
)
from lake.staleness import StaleTarget

ACCOUNT: Final = "111122223333"
BEGAN: Final = datetime(2025, 11, 20, 2, tzinfo=UTC)
DENIED: Final = "User is not authorized | see <b>https://evil.example</b>; have the policy changed"
LAKE: Final = "/srv/image_lake"
WAREHOUSE: Final = "/srv/imagelake.duckdb"
HOSTILE: Final = (
    "<img src=x onerror=alert(1)> | `rm` [me](http://evil.example) *b* www.evil.example"
)


def outcome(region: str, status: str, **more: object) -> TargetOutcome:
    """A target's; it took two seconds and a half."""
    given = {"started_at": BEGAN, "finished_at": BEGAN + timedelta(seconds=2.5), **more}
    return TargetOutcome(ACCOUNT, region, status, **given)  # type: ignore[arg-type]  # a test's own words


TARGETS: Final = (
    Shown(
        outcome("us-east-1", "complete", pages=3, builds_listed=250, requests=5, throttles=2),
        None,
        "whole",
        shows_own_rows=True,
        builds=250,
    ),
    Shown(
        outcome(
            "us-west-2",
            "truncated",
            error_code="MaxItems",
            error_message="stopped after 100 builds",
            resume_token="go-on-here",  # noqa: S106 - a page's token
            pages=1,
            builds_listed=100,
            requests=1,
        ),
        None,
        "part",
        shows_own_rows=True,
        builds=100,
    ),
    Shown(
        outcome(
            "eu-west-1",
            "failed",
            error_code="AccessDeniedException",
            error_message=DENIED,
            requests=1,
        ),
        None,
        "none",
        shows_own_rows=True,
    ),
    Shown(
        outcome("ap-south-1", "complete", pages=1, builds_listed=7, requests=1),
        None,
        "whole",
        shows_own_rows=False,
        is_asked=False,
        carried_from="20251120T010000000000Z-00000001",
        builds=7,
    ),
)
PARTIAL: Final = Summary(
    run_id="20251120T020000000000Z-1a2b3c4d",
    snapshot_date="2025-11-20",
    status="partial",
    row_counts={
        "image_builds": 357,
        "image_amis": 1_200,
        "image_containers": 1,
        "image_region_failures": 0,
        "snapshot_targets": 4,
        "snapshots": 1,
    },
    targets=TARGETS,
    seconds=4.75,
    last_whole={(ACCOUNT, "eu-west-1"): date(2025, 11, 18)},
    warnings=(f"image_builds: 1 row has the state {HOSTILE}",),
    written_bytes=65_536,
    stages=(
        Stage("plan", BEGAN, BEGAN + timedelta(seconds=0.25)),
        Stage("land", BEGAN + timedelta(seconds=0.25), BEGAN + timedelta(seconds=3)),
        Stage("write", BEGAN + timedelta(seconds=3), BEGAN + timedelta(seconds=4)),
        Stage("commit", BEGAN + timedelta(seconds=4), BEGAN + timedelta(seconds=4.5)),
        Stage("publish", BEGAN + timedelta(seconds=4.5), BEGAN + timedelta(seconds=4.75)),
    ),
)
COMPLETE: Final = Summary(
    run_id="20251121T020000000000Z-1a2b3c4d",
    snapshot_date="2025-11-21",
    status="complete",
    row_counts={**PARTIAL.row_counts, "image_builds": 250, "snapshot_targets": 1},
    targets=TARGETS[:1],
    seconds=4.75,
    last_whole={},
)
STALE: Final = Found(
    (
        StaleTarget(
            ACCOUNT, "eu-west-1", datetime(2025, 11, 18, 2, 1, tzinfo=UTC), 2,
            "AccessDeniedException", DENIED,
        ),
        StaleTarget(ACCOUNT, "me-south-1", None, 0, None, None),
    ),
    2,
)  # fmt: skip
NOTHING: Final = Effects(None, 0, (), Found(), Found(), Found(), Found(), Found())
MUCH: Final = Effects(
    since=(date(2025, 11, 18), date(2025, 11, 19)),
    changed=1_037,
    states=(StateCount(None, "AVAILABLE", 1_000), StateCount("BUILDING", "FAILED", 37)),
    gone=Found(
        (
            GoneBuild(
                ACCOUNT,
                "us-east-1",
                "arn:aws:imagebuilder:us-east-1:111122223333:image/web_base/1.0.0/1",
                "Web_Base",
                "DEPRECATED",
            ),
        ),
        1,
    ),
    failures=Found(
        (
            NewFailure(
                ACCOUNT,
                "us-east-1",
                "arn:aws:imagebuilder:us-east-1:111122223333:image/web/1.1.0/1",
                ACCOUNT,
                "web",
                HOSTILE,
                "BUILDING",
                "Install",
                HOSTILE,
            ),
        ),
        37,
    ),
    golden=Found(
        (
            GoldenChange(
                ACCOUNT, "us-east-1", ACCOUNT, "web", "us-east-1", ACCOUNT, HOSTILE, "1.0.0/1",
                "1.1.0/2", "ami-0a", "ami-0b",
            ),
            GoldenChange(
                ACCOUNT, "us-east-1", ACCOUNT, "db", "us-east-1", ACCOUNT, None, "1.0.0/1", None,
                "ami-0c", None,
            ),
        ),
        2,
    ),
    stale=STALE,
    newly_stale=STALE,
)  # fmt: skip
