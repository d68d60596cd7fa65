"""The kinds of trouble that a target can have, each in a region of its own, and how it has to end."""

from dataclasses import dataclass
from typing import Any

HOME, DENIED, OTHER = ACCOUNTS = ("111122223333", "222233334444", "333344445555")


@dataclass(frozen=True)
class Story:
    """A target's trouble, how it has to end, and words that its message has to hold."""

    faults: dict[str, Any]
    status: str = "complete"
    code: str | None = None
    words: str = ""


STORIES = {
    "us-east-1": Story({"errors": ["500", "500"]}),
    "us-east-2": Story({"throttle": {"rate": 8, "burst": 2}}),
    "us-west-1": Story({"errors": ["ok", "reset"]}),
    "us-west-2": Story({"errors": ["ok", "ok", "truncate"]}),
    "eu-west-1": Story({"errors": ["html", "ok", "html_200"]}),
    "eu-west-2": Story({"errors": ["ok", "ok", "invalid_token"]}),
    "eu-west-3": Story({"short_pages": True}),
    "eu-central-1": Story({}),
    "eu-north-1": Story({"empty": True}),
    "ap-south-1": Story(
        {"always": "forbidden"},
        "failed",
        "ForbiddenException",
        "grant imagebuilder:ListImageBuildVersions to the role or leave the region out",
    ),
    "ap-southeast-1": Story(
        {"region_disabled": True},
        "skipped",
        "UnrecognizedClientException",
        "the region is not enabled for the account: enable it or leave it out",
    ),
    "ap-southeast-2": Story(
        {"errors": ["ok", "expired_token"]},
        "failed",
        "ExpiredTokenException",
        "the credentials have expired: renew them (for SSO: `aws sso login`) and run again",
    ),
    "ap-northeast-1": Story(
        {"always": "hang:60"}, "failed", "TimeLimit", "its time was up after 0 pages: allow more"
    ),
    "ap-northeast-2": Story(
        {"errors": ["ok", "hang:60"]},
        "truncated",
        "TimeLimit",
        "its time was up after 1 pages: allow more",
    ),
    "ap-northeast-3": Story(
        {"same_token": True}, "failed", "PaginationError", "the service repeats itself"
    ),
    "ca-central-1": Story(
        {"throttle": {"rate": 0.001, "burst": 1, "retry_after": 3600}},
        "truncated",
        "TimeLimit",
        "refused for its rate 1 times: allow more",
    ),
    "sa-east-1": Story(
        {"always": "access_denied"},
        "failed",
        "AccessDeniedException",
        "leave the region out or have the policy changed",
    ),
}
ROLE_DENIED = Story(
    {"sts_denied": True},
    "failed",
    "AccessDenied",
    "allow it in the role's trust policy (and give its external id) or drop the account",
)
HEALTHY = [region for region, story in STORIES.items() if story.status == "complete"]
EXPECTED = sorted(
    [
        *((HOME, region, story.status, story.code) for region, story in STORIES.items()),
        (DENIED, "us-east-1", ROLE_DENIED.status, ROLE_DENIED.code),
        (OTHER, "us-east-1", "complete", None),
    ]
)
