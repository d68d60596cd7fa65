"""Listings over HTTP, driven a call at a time, and the same answers read by no AWS library."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from extract.landing import Page
from extract.pages import Listing
from extract.patience import Limits
from extract.request import Request
from extract.sessions import Sessions
from extract.targets import Target, TargetOutcome

ACCOUNT, REGION = "111122223333", "us-east-1"
OWN = Target(ACCOUNT, REGION)
TARGET = str(OWN)
STORIES = Path(__file__).parent / "pages"


@dataclass(frozen=True)
class Listed:
    """A listing at its end: how it went, what landed, the waits that it asked for."""

    outcome: TargetOutcome
    pages: list[Page]
    waits: list[float]

    @property
    def arns(self) -> list[str]:
        """The ARNs of the items that count, in the order in which they were sent."""
        return [arn for page in self.pages for arn in counted_arns(page)]

    @property
    def ending(self) -> tuple[str, str | None]:
        return self.outcome.status, self.outcome.error_code


def counted_arns(page: Page) -> list[str]:
    if page.operation != LIST_BUILDS:
        return []
    items = json.loads(page.body).get("imageSummaryList") or []
    return [item["arn"] for item in items[page.first_item : page.first_item + page.item_count]]


@cache
def own_sessions() -> Sessions:
    """The same for all tests: they all talk to the session's emulator."""
    return Sessions()


def listing(
    land: Callable[[Page], None],
    request: Request,
    target: Target = OWN,
    sessions: Sessions | None = None,
    limits: Limits | None = None,
) -> Listing:
    by = sessions or own_sessions()
    return Listing(
        target,
        request,
        lambda: by.client("imagebuilder", target.region, target.role_arn),
        land,
        limits,
    )


def run(**request: Any) -> Listed:
    """Lists the target as fast as it can, without waiting where the listing says to."""
    pages: list[Page] = []
    waits = []
    asked = listing(pages.append, Request(**request))
    while (wait := asked.step()) is not None:
        waits.append(wait)
        assert len(waits) < 1_000, "the listing comes to no end"
    asked.close()
    return Listed(asked.outcome, pages, waits)


def tell(emulator: Emulator, story: str) -> list[dict[str, Any]]:
    """Has the target answer with the pages of a file; returns them."""
    pages: list[dict[str, Any]] = json.loads((STORIES / story).read_bytes())
    emulator.set_answers(ACCOUNT, REGION, [json.dumps(page, indent=2) for page in pages])
    return pages


def post(emulator: Emulator, **members: Any) -> bytes:
    """One call's answer, by no AWS library."""
    scope = f"AKIA{ACCOUNT}EMUL/20251120/{REGION}/imagebuilder/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
    connection = HTTPConnection(emulator.url.removeprefix("http://"), timeout=5)
    connection.request("POST", "/ListImageBuildVersions", json.dumps(members), headers)
    try:
        return connection.getresponse().read()
    finally:
        connection.close()


def sent(emulator: Emulator, **members: Any) -> list[bytes]:
    """The bodies of all pages, by no AWS library."""
    bodies = [post(emulator, **members)]
    while token := json.loads(bodies[-1]).get("nextToken"):
        bodies.append(post(emulator, **members, nextToken=token))
    return bodies


def sent_arns(emulator: Emulator, **members: Any) -> list[str]:
    pages = [json.loads(body) for body in sent(emulator, **({"maxResults": 100} | members))]
    return [item["arn"] for page in pages for item in page["imageSummaryList"]]


def calls(emulator: Emulator) -> list[tuple[str, int | None]]:
    """The calls so far: status and maxResults."""
    return [(str(call["status"]), call["max_results"]) for call in emulator.requests()]
