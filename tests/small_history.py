"""Five dates of eighteen builds, written by hand: small enough to tell every view's rows by eye.

`LISTED` is the whole story: what each date's capture says of each build. Captures are taken at noon
UTC.

- HOME is read whole on each date. Its fourth date was run twice: the first run saw a build that the
  second did not (`web/9.9.9/1`), of which nothing may show.
- OTHER is denied on the third date, and its builds stand as they were. In the second run of the
  fourth date it is denied too, and the first run's rows are carried.
- LONE is read on the first date and denied from then on; NEVER is denied always; SKIPPED is a region
  that is not enabled.
- `web` is renamed on the third date, and its 1.10.0 comes after 1.9.0; one AMI of that one failed.
- `web/1.9.0/2` and `db/1.0.0/1` are deleted; `db/1.1.0/1` misses one capture and comes back.
- `app` is a container, with a tag that moves from build to build, and a digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish
from tests.rows import Row, Target, ami, build, container_uri, covered, noon, of_build
from tests.test_writer import Rows, commit_rows

DAYS: Final = tuple(date(2025, 11, day) for day in (16, 17, 18, 19, 20))
"""The history's dates, the first to the last."""

HOME: Final[Target] = ("111111111111", "us-east-1")
OTHER: Final[Target] = ("222222222222", "eu-west-1")
LONE: Final[Target] = ("111111111111", "ap-south-1")
NEVER: Final[Target] = ("333333333333", "us-east-1")
SKIPPED: Final[Target] = ("222222222222", "me-south-1")

DENIED: Final = "AccessDeniedException"
NOT_READ: Final = None
"""The capture of the date does not tell: the target was denied."""
GONE: Final = ""
"""The capture of the date does not list the build: not yet, or not any more."""

States = tuple[str | None, str | None, str | None, str | None, str | None]
"""A build's state on each date, or NOT_READ, or GONE."""


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of a day of November 2025, UTC."""
    return datetime(2025, 11, day, hour, minute, tzinfo=UTC)


LISTED: Final[dict[tuple[Target, str], States]] = {
    (HOME, "web/1.9.0/1"): ("AVAILABLE", "AVAILABLE", "AVAILABLE", "AVAILABLE", "AVAILABLE"),
    (HOME, "web/1.9.0/2"): ("FAILED", "FAILED", GONE, GONE, GONE),
    (HOME, "web/1.10.0/1"): (GONE, "BUILDING", "AVAILABLE", "AVAILABLE", "AVAILABLE"),
    (HOME, "web/1.10.0/2"): (GONE, GONE, GONE, "TESTING", "FAILED"),
    (HOME, "web/1.11.0/1"): (GONE, GONE, "BUILDING", "BUILDING", "BUILDING"),
    (HOME, "db/1.0.0/1"): ("AVAILABLE", "AVAILABLE", "DEPRECATED", "DEPRECATED", GONE),
    (HOME, "db/1.1.0/1"): (GONE, "AVAILABLE", GONE, "AVAILABLE", "AVAILABLE"),
    (HOME, "db/1.2.0/1"): (GONE, GONE, GONE, GONE, "BUILDING"),
    (HOME, "app/1.0.0/1"): ("AVAILABLE", "AVAILABLE", "AVAILABLE", "AVAILABLE", "AVAILABLE"),
    (HOME, "app/1.1.0/1"): (GONE, GONE, GONE, "AVAILABLE", "AVAILABLE"),
    (OTHER, "batch/0.8.0/1"): ("FAILED", "FAILED", NOT_READ, "FAILED", "FAILED"),
    (OTHER, "batch/0.9.0/1"): ("FAILED", "FAILED", NOT_READ, "FAILED", "FAILED"),
    (OTHER, "batch/1.0.0/1"): ("BUILDING", "BUILDING", NOT_READ, "BUILDING", "BUILDING"),
    (OTHER, "api/0.9.0/1"): ("AVAILABLE", "DISABLED", NOT_READ, "DISABLED", "DELETED"),
    (OTHER, "api/1.0.0/1"): ("AVAILABLE", "AVAILABLE", NOT_READ, "AVAILABLE", "AVAILABLE"),
    (OTHER, "api/1.1.0/1"): (GONE, "CANCELLED", NOT_READ, "CANCELLED", "CANCELLED"),
    (OTHER, "api/1.2.0/1"): (GONE, GONE, NOT_READ, GONE, "ARCHIVED"),
    (LONE, "tool/1.0.0/1"): ("AVAILABLE", NOT_READ, NOT_READ, NOT_READ, NOT_READ),
}
"""By target and build its state on each date; the API was not known to send ARCHIVED."""

_COMPONENT: Final = {
    "failure_image_status": "BUILDING",
    "failure_step": "ApplyBuildComponents",
    "failure_component_phase": "build",
    "failure_component_step": "Install",
    "failure_component_action": "ExecuteBash",
}

FACTS: Final[dict[str, dict[str, Any]]] = {
    "web/1.9.0/1": {
        "created_at": at(15, 0, 30),  # in New York the day before
        "build_type": "USER_INITIATED",
        "tags": [("Team", "web"), ("Stage", "")],
    },
    "web/1.9.0/2": {
        "created_at": at(15, 23, 30),
        "build_type": "SCHEDULED",
        "state_reason": "the instance did not start",
    },
    "web/1.10.0/1": {"created_at": at(17, 11), "build_type": "SCHEDULED"},
    "web/1.10.0/2": {"created_at": at(19, 10), "build_type": "SCHEDULED"},
    "web/1.11.0/1": {"created_at": at(18, 0, 30), "build_type": "SCHEDULED"},
    "db/1.0.0/1": {"created_at": at(14, 9), "deprecation_time": at(18, 0)},
    "db/1.1.0/1": {"created_at": at(16, 18), "deprecation_time": at(20, 0)},
    "db/1.2.0/1": {"created_at": at(20, 9)},
    "app/1.0.0/1": {"created_at": at(14, 10), "type": "DOCKER"},
    "app/1.1.0/1": {"created_at": at(18, 13), "type": "DOCKER"},
    "batch/0.8.0/1": {
        "created_at": at(10, 8),
        "platform": "Windows",
        "state_reason": "Workflow Execution ID 'wf-0b1c2d3e-1111-2222-3333-444455556666' failed",
    },
    "batch/0.9.0/1": {
        "created_at": at(12, 8),
        "platform": "Windows",
        "state_reason": "a component failed",
        **_COMPONENT,
        "failure_component_arn": "arn:aws:imagebuilder:eu-west-1:222222222222:component/agent/1.0.0/1",
        "failure_component_message": "exit status 1 on i-0aaaabbbbcccc0001 at 10.0.0.1",
    },
    "batch/1.0.0/1": {"created_at": at(16, 6), "platform": "Windows"},
    "api/0.9.0/1": {"created_at": at(13, 9)},
    "api/1.0.0/1": {
        "created_at": at(15, 9),
        "tags": [("Team", "api")],
        "deprecation_time": datetime(2999, 1, 1, tzinfo=UTC),
    },
    "api/1.1.0/1": {"created_at": at(16, 14)},
    "api/1.2.0/1": {},
    "tool/1.0.0/1": {"created_at": at(15, 8)},
}
"""What is the same of a build on every date. `api/1.2.0/1` was sent without a creation time."""

CHANGES: Final[dict[str, dict[int, dict[str, Any]]]] = {
    "web/1.9.0/1": {2: {"name": "Web Server"}},
    "web/1.10.0/1": {2: {"name": "Web Server"}},
    "web/1.10.0/2": {
        3: {"name": "Web Server"},
        4: {
            "state_reason": "a component failed",
            **_COMPONENT,
            "failure_component_arn": (
                "arn:aws:imagebuilder:us-east-1:111111111111:component/agent/1.0.1/2"
            ),
            "failure_component_message": "exit status 1 on i-0aaaabbbbcccc0002 at 10.0.0.2",
            "log_group_name": "/aws/imagebuilder/web",
        },
    },
    "web/1.11.0/1": {2: {"name": "Web Server"}},
    "db/1.0.0/1": {2: {"lifecycle_execution_id": "lce-1"}},
    "api/0.9.0/1": {
        1: {"lifecycle_execution_id": "lce-1"},
        4: {"lifecycle_execution_id": "lce-2"},
    },
}
"""By build, what is another on a date (0 to 4) and stays so from then on."""

AMIS: Final[dict[str, tuple[str, ...]]] = {
    "web/1.9.0/1": ("us-east-1", "eu-west-1"),
    "web/1.10.0/1": ("us-east-1", "eu-west-1"),
    "db/1.0.0/1": ("us-east-1",),
    "db/1.1.0/1": ("us-east-1",),
    "api/0.9.0/1": ("eu-west-1",),
    "api/1.0.0/1": ("eu-west-1",),
    "tool/1.0.0/1": ("ap-south-1",),
}
"""The regions that a build has an AMI in, once it is made."""

FAILED_AMI: Final = ("web/1.10.0/1", "eu-west-1")
"""The AMI that failed though its build is AVAILABLE."""

URIS: Final[dict[str, tuple[tuple[str | None, str | None], ...]]] = {
    "app/1.0.0/1": (("1.0.0", None), ("latest", None)),
    "app/1.1.0/1": (("latest", None), (None, "sha256:abc")),
}
"""Tag and digest of each URI that a container's build lists."""

PARAMETERS: Final = {0: '{"required_tag":["Legacy"]}', 4: '{"required_tag":["Team","Owner"]}'}
"""By date the parameters of its run."""


def builds_on(day: int, target: Target) -> list[Row]:
    """What the date's capture (0 to 4) lists for the target, as rows of image_builds."""
    return [
        _build(day, target, image, states[day] or "")
        for (listing, image), states in LISTED.items()
        if listing == target and states[day] not in (NOT_READ, GONE)
    ]


def _build(day: int, target: Target, image: str, status: str) -> Row:
    facts = dict(FACTS[image])
    for since, change in CHANGES.get(image, {}).items():
        if since <= day:
            facts |= change
    return build(target, DAYS[day], image, status, **facts)


def _children(day: int, target: Target, builds: list[Row]) -> Iterator[tuple[str, Row]]:
    """The rows that hang on the builds, with their tables."""
    on = DAYS[day]
    for row in builds:
        image = "/".join((row["image_slug"], row["semantic_version"], str(row["build_number"])))
        if row["state_status"] not in ("AVAILABLE", "DEPRECATED", "DISABLED", "DELETED"):
            continue
        for position, place in enumerate(AMIS.get(image, ())):
            status = "FAILED" if (image, place) == FAILED_AMI else row["state_status"]
            yield "image_amis", ami(target, on, image, position, place, status)
            if status == "FAILED":
                yield (
                    "image_region_failures",
                    of_build(
                        target,
                        on,
                        image,
                        ami_position=position,
                        position=0,
                        failed_region=place,
                        status="FAILED",
                        error_message="the copy failed",
                    ),
                )
        for number, (tag, digest) in enumerate(URIS.get(image, ())):
            uri = container_uri(target, on, image, number, row["image_slug"], tag, digest)
            yield "image_containers", uri


def _run(day: int, read: dict[Target, list[Row]], targets: list[Row]) -> Rows:
    """A run that shows these builds of the targets, and what it says of each target."""
    rows: dict[str, list[Row]] = {
        "image_builds": [],
        "image_amis": [],
        "image_containers": [],
        "image_region_failures": [],
        "snapshot_targets": [{**row, "finished_at": noon(DAYS[day], 1)} for row in targets],
        "snapshots": [
            {
                "started_at": noon(DAYS[day]),
                "committed_at": noon(DAYS[day], 2),
                "status": "partial",
                "parameters": PARAMETERS.get(day, "{}"),
            }
        ],
    }
    for target, builds in read.items():
        rows["image_builds"] += builds
        for table, row in _children(day, target, builds):
            rows[table].append(row)
    return rows


def _whole(day: int, target: Target, builds: list[Row]) -> Row:
    return covered(target, DAYS[day], "complete", "whole", len(builds))


def _denied(day: int, target: Target) -> Row:
    return {**covered(target, DAYS[day], "failed", "none"), "error_code": DENIED}


def _of_date(day: int) -> Rows:
    """The date's run as its captures are in LISTED."""
    read = {
        target: builds_on(day, target)
        for target in (HOME, OTHER, LONE)
        if any(states[day] is not NOT_READ for (of, _), states in LISTED.items() if of == target)
    }
    told = [
        _whole(day, target, read[target]) if target in read else _denied(day, target)
        for target in (HOME, OTHER, LONE, NEVER)
    ]
    return _run(day, read, [*told, covered(SKIPPED, DAYS[day], "skipped", "none")])


def _superseded() -> Rows:
    """The fourth date's first run."""
    ghost = build(HOME, DAYS[3], "web/9.9.9/1", "AVAILABLE", tags=[("ghost", "yes")])
    read = {HOME: [*builds_on(3, HOME), ghost], OTHER: builds_on(3, OTHER)}
    told = [_whole(3, target, builds) for target, builds in read.items()]
    return _run(3, read, [*told, _denied(3, LONE), _denied(3, NEVER)])


def _carrying(first_run: str) -> Rows:
    """The fourth date's second run, to which OTHER was denied."""
    rows = dict(_of_date(3))
    rows["snapshot_targets"] = [
        {
            **row,
            "status": "failed",
            "error_code": DENIED,
            "error_message": "denied",
            "carried_from": first_run,
        }
        if (row["account_id"], row["region"]) == OTHER
        else row
        for row in rows["snapshot_targets"]
    ]
    return rows


def shown_runs() -> Mapping[date, Rows]:
    """By date what its run holds that shows."""
    return {
        on: _carrying("the first run") if day == 3 else _of_date(day) for day, on in enumerate(DAYS)
    }


def write_small_history(folder: Folder, until: int = len(DAYS)) -> None:
    """Commits the runs of the first `until` dates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day in range(until):
            if day == 3:
                first = commit_rows(folder, DAYS[day], _superseded())
                commit_rows(folder, DAYS[day], _carrying(first.run_id))
            else:
                commit_date(folder, day)


def commit_date(folder: Folder, day: int) -> None:
    """Commits a run of one date, as its captures are in LISTED."""
    commit_rows(folder, DAYS[day], _of_date(day))


def last_sights() -> Mapping[tuple[Target, str], int]:
    """By target and build, the date (0 to 4) of the newest capture that lists it."""
    return {
        key: max(day for day, state in enumerate(states) if state not in (NOT_READ, GONE))
        for key, states in LISTED.items()
    }


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lake of the small history, which no test changes."""
    folder = open_folder(str(tmp_path_factory.mktemp("small") / "lake"))
    write_small_history(folder)
    return folder


@pytest.fixture(scope="session")
def small_warehouse(small_lake: Folder) -> Path:
    """Its warehouse."""
    path = small_lake.root.with_name("small.duckdb")
    publish(small_lake, path)
    return path


@pytest.fixture(scope="module")
def history(small_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to it."""
    with connect(small_warehouse) as connection:
        yield connection
