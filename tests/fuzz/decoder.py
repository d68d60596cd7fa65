"""Any bytes as a page's body: taken and kept to the last member, or refused by name.

Held against Python's own JSON parser, which shares no code with the decoder. A body that is no page
may be refused; one that is a page may not, and nothing of it may be lost or changed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from extract.asks import LIST_BUILDS
from extract.envelope import Envelope, MalformedPageError, open_envelope
from extract.flatten import flatten
from extract.landing import LandingWriter, Page, landed_pages
from schemas.api import SELF
from tests.reassemble import Build, builds_of, differences

WORDS: Final = (
    "imageSummaryList",
    "nextToken",
    "\\ud83d",
    "\\udcff",
    "\\u0000",
    "null",
    "1e999",
    "-0",
    "{}",
)
"""What a body is made of, besides the members' names."""
STORIES: Final = Path(__file__).parents[1] / "pages"
ACCOUNT: Final = "111122223333"
REGIONS: Final = ("us-east-1", "us-west-2")
"""The body is a page of both: what is learned of the first can have the second read another way."""


class LossError(AssertionError):
    """What was sent is not what came of it."""


def check_body(body: bytes, folder: Path) -> str:
    """`taken` or `refused`; raises LossError where either is wrong, or what the decoder raises."""
    try:
        envelope = open_envelope(body)
    except MalformedPageError:
        if _is_page(_parsed(body, is_strict=True)):
            raise LossError("a page was refused") from None
        return "refused"
    sent = _parsed(body, is_strict=False)
    if not isinstance(sent, dict) or not sent:
        raise LossError(f"what is no page was taken: {sent!r}")
    items = sent.get("imageSummaryList") or []
    if len(envelope.imageSummaryList or ()) != len(items):
        raise LossError(f"{len(items)} items, counted as {len(envelope.imageSummaryList or ())}")
    _require_token(envelope, sent.get("nextToken"))
    wrong = [d for read in _read(body, len(items), folder) for d in _compared(items, read)]
    if wrong:
        raise LossError("; ".join(wrong[:5]))
    return "taken"


def story_pages() -> list[bytes]:
    """The pages of the tests' stories."""
    told = [json.loads(path.read_bytes()) for path in sorted(STORIES.glob("*.json"))]
    stories = [story if isinstance(story, list) else [story] for story in told]
    return [json.dumps(page).encode() for story in stories for page in story]


def _parsed(body: bytes, *, is_strict: bool) -> Any:
    """The body by Python's parser; what it refuses is an exception, as a value."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(body.decode(), strict=is_strict, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        return error


def _is_page(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    items, token = value.get("imageSummaryList"), value.get("nextToken")
    is_list = items is None or (
        isinstance(items, list) and all(isinstance(item, dict) for item in items)
    )
    is_told = "imageSummaryList" in value or token is not None or value.get("requestId") is not None
    return is_list and isinstance(token, str | None) and is_told


def _require_token(envelope: Envelope, token: str | None) -> None:
    if envelope.nextToken != token and not _has_surrogates(token or ""):
        raise LossError(f"the token {token!r} was taken for {envelope.nextToken!r}")


def _read(body: bytes, count: int, folder: Path) -> list[list[Build]]:
    """The builds that the tables made of the body tell of, by region."""
    now = datetime(2025, 11, 20, 12, tzinfo=UTC)
    whole = {"token": None, "next_token": None, "first_item": 0, "item_count": count}
    named = {"account_id": ACCOUNT, "operation": LIST_BUILDS, "ownership": SELF}
    numbers = {"attempt": 1, "number": 1, "request_id": None, "arrived_at": now}
    with LandingWriter(folder) as landing:
        for region in REGIONS:
            landing.land(Page(**named, **whole, **numbers, region=region, body=body))  # type: ignore[arg-type]  # by name
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    pages = landed_pages(folder)
    for batch in flatten(pages):
        for name, table in batch.items():
            tables[name] += table.to_pylist(maps_as_pydicts="strict")
    for file in {page.file for page in pages}:
        file.unlink()
    builds = builds_of(tables)
    return [builds[ACCOUNT, region] for region in REGIONS]


def _compared(items: list[Build], read: list[Build]) -> list[str]:
    last = {_arn(build) or number: build for number, build in enumerate(items)}
    sent, found = sorted(last.values(), key=_arn), sorted(read, key=_arn)
    if len(sent) != len(found):
        return [f"{len(sent)} builds sent, {len(found)} read"]
    return [d for pair in zip(sent, found, strict=True) for d in differences(*pair)]


def _arn(build: Build) -> str:
    """What tells builds apart; those that no column has the ARN of stay in the page's order."""
    arn = build.get("arn")
    return arn if isinstance(arn, str) and not _has_surrogates(arn) else ""


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
