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

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from tests.rows import Target

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


def last_sights() -> Mapping[tuple[Target, str], int]:
    """By target and build, the date (0 to 4) of the newest capture that lists it."""
    return {
        key: max(day for day, state in enumerate(states) if state not in (NOT_READ, GONE))
        for key, states in LISTED.items()
    }
