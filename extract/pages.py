"""One target's listing, a call at a time: boto3's paginator with the raw bodies kept.

The only place that knows botocore's hooks. A listing makes one call in each `step` and says how long
to wait before the next, so that whoever drives it can turn to another target meanwhile. What it
cannot read it names; it never ends silently.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import PaginationError
from botocore.paginate import TokenEncoder
from botocore.parsers import ResponseParserError

from extract.decode import MalformedPageError, open_envelope
from extract.errors import CALL_ERRORS, Kind, Problem, diagnose
from extract.landing import Page
from extract.patience import Limits, Patience
from extract.request import Request
from extract.targets import Target, TargetOutcome
from schemas.api import FORMER_MAX_PAGE_SIZE, MAX_PAGE_SIZE, SELF
from schemas.snapshots import COMPLETE, FAILED, SKIPPED, TRUNCATED

LIST_BUILDS: Final = "ListImageBuildVersions"
LIST_IMAGES: Final = "ListImages"


@dataclass(frozen=True)
class _Ask:
    """One paginated call series: all own builds, an owner's images, or one image's builds."""

    operation: str
    ownership: str
    arguments: dict[str, Any]


class Listing:
    """Lists one target's builds; `land` is called with each page, in order.

    `outcome` says at any time how far it came. `client` is made at the first step, since making it
    can fail for this target alone.
    """

    def __init__(
        self,
        target: Target,
        request: Request,
        make_client: Callable[[], Any],
        land: Callable[[Page], None],
        limits: Limits | None = None,
    ) -> None:
        self.outcome = TargetOutcome(target.account_id, target.region)
        self._request = request
        self._make_client = make_client
        self._land = land
        self._client: Any = None
        self._kept: bytes | None = None
        self._page_size = request.page_size or MAX_PAGE_SIZE
        self._patience = Patience(limits or Limits())
        self._iterable: Any = None
        self._pages: Iterator[dict[str, Any]] | None = None
        self._attempt = 0
        self._start()

    def step(self) -> float | None:
        """Makes one call. Returns the seconds to wait before the next, None at the end."""
        if self.outcome.started_at is None:
            self.outcome = replace(self.outcome, started_at=datetime.now(UTC))
            if not self._patience.is_over:
                self._patience.begin()
        if self._patience.is_over:
            self._time_is_up()
            return None
        wait = 0.0
        try:
            wait = self._call()
        except PaginationError as error:
            self._end(FAILED, "PaginationError", f"{error}; the service repeats itself")
        except CALL_ERRORS as error:
            wait = self._after(diagnose(error))
        return None if self.outcome.status else wait

    def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            self._client.close()
            self._client = self._pages = self._iterable = None

    def _start(self) -> None:
        self._attempt += 1
        self._asks = deque(_asks(self._request))
        self._remaining = self._request.max_items
        self._number = 0
        self._tokens: set[str] = set()
        self._pages = None
        self._token: str | None = None

    def _call(self) -> float:
        ask = self._asks[0]
        if self._pages is None:
            self._pages = self._paginate(ask)
        self.outcome = replace(self.outcome, requests=self.outcome.requests + 1)
        response = next(self._pages)
        self._patience.granted()
        counted = self._landed(ask, response)
        if self._remaining is not None and ask.operation == LIST_BUILDS:
            self._remaining -= counted
            if self._remaining <= 0:
                self._reached_max_items()
                return 0.0
        if self._token is None:
            self._asks.popleft()
            self._pages = None
        if not self._asks:
            self._end(COMPLETE)
        return self._patience.interval_seconds

    def _paginate(self, ask: _Ask) -> Iterator[dict[str, Any]]:
        if self._client is None:
            self._client = self._make_client()
            for operation in (LIST_BUILDS, LIST_IMAGES):
                self._client.meta.events.register(
                    f"before-parse.imagebuilder.{operation}", self._keep_body
                )
        self._iterable = self._client.get_paginator(_METHODS[ask.operation]).paginate(
            **ask.arguments,
            PaginationConfig={
                "PageSize": self._page_size,
                "MaxItems": self._remaining if ask.operation == LIST_BUILDS else None,
                "StartingToken": self._resume_token(),
            },
        )
        pages: Iterator[dict[str, Any]] = iter(self._iterable)
        return pages

    def _keep_body(
        self, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
    ) -> None:
        """botocore's `before-parse` hook: keeps a good answer's body and spares its parsing.

        What the paginator works with stays as it would be: a list of as many items, and the token.
        """
        if response_dict["status_code"] >= 300:
            return
        self._kept = response_dict["body"]
        if response_dict["context"]["operation_name"] != LIST_BUILDS:
            return
        try:
            envelope = open_envelope(self._kept)
        except MalformedPageError as error:
            raise ResponseParserError(str(error)) from error
        response_dict["body"] = b"{}"
        customized_response_dict["imageSummaryList"] = list(
            range(len(envelope.imageSummaryList or ()))
        )
        if envelope.nextToken is not None:
            customized_response_dict["nextToken"] = envelope.nextToken

    def _landed(self, ask: _Ask, response: dict[str, Any]) -> int:
        """Lands the page that was kept; how many of its items count."""
        if self._kept is None:  # a body that the hook did not see cannot be kept
            raise RuntimeError("botocore did not call the before-parse hook")
        items = response.get(_RESULTS[ask.operation]) or []
        next_token = response.get("nextToken") or None
        if next_token in self._tokens:
            raise PaginationError(message=f"a token came twice: {next_token}")
        self._number += 1
        target = self.outcome
        self._land(
            Page(
                account_id=target.account_id,
                region=target.region,
                operation=ask.operation,
                ownership=ask.ownership,
                attempt=self._attempt,
                number=self._number,
                token=self._token,
                next_token=next_token,
                first_item=items[0] if items and ask.operation == LIST_BUILDS else 0,
                item_count=len(items),
                request_id=response["ResponseMetadata"].get("RequestId"),
                arrived_at=datetime.now(UTC),
                body=self._kept,
            )
        )
        self._kept = None
        self._token = next_token
        if next_token is not None:
            self._tokens.add(next_token)
        if ask.operation == LIST_IMAGES:
            self._asks.extend(_asks_for_images(ask.ownership, items))
        self.outcome = replace(
            target,
            pages=target.pages + 1,
            builds_listed=target.builds_listed
            + (len(items) if ask.operation == LIST_BUILDS else 0),
        )
        return len(items)

    def _reached_max_items(self) -> None:
        next(self._pages or iter(()), None)  # makes the paginator state its token; no call is made
        token = self._iterable.resume_token
        if token is None and len(self._asks) == 1:
            self._end(COMPLETE)
        else:
            self._end(TRUNCATED, "MaxItems", "the limit of --max-items was reached", token)

    def _after(self, problem: Problem) -> float:
        """What follows a failed call: the seconds to wait, or the listing's end."""
        self._pages = None  # the generator died with the error; the next one starts at its token
        if problem.kind is Kind.THROTTLED:
            self.outcome = replace(self.outcome, throttles=self.outcome.throttles + 1)
        if problem.kind is Kind.BAD_REQUEST and self._may_ask_for_less():
            self._page_size = FORMER_MAX_PAGE_SIZE
            return 0.0
        if problem.kind is Kind.BAD_TOKEN and self._number and self._attempt == 1:
            self._start()
            self.outcome = replace(self.outcome, builds_listed=0)
            return 0.0
        wait = self._patience.after(problem)
        if wait is None:
            self._give_up(problem)
        return wait or 0.0

    def _give_up(self, problem: Problem) -> None:
        status = SKIPPED if problem.kind is Kind.NOT_ENABLED else FAILED
        message = problem.message
        if problem.kind is Kind.BAD_TOKEN and self._request.starting_token and not self._number:
            message += "; the starting token is not valid (any more): run without it"
        self._end(status, problem.code, message, self._resume_token() if self._number else None)

    def _time_is_up(self) -> None:
        """A listing that landed something is truncated, one that landed nothing failed."""
        throttled = f", refused for its rate {self.outcome.throttles} times" * bool(
            self.outcome.throttles
        )
        message = f"its time was up after {self.outcome.pages} pages{throttled}: allow more"
        token = self._resume_token() if self._number else None
        self._end(TRUNCATED if self._number else FAILED, "TimeLimit", message, token)

    def _may_ask_for_less(self) -> bool:
        return self._request.page_size is None and self._page_size > FORMER_MAX_PAGE_SIZE

    def _resume_token(self) -> str | None:
        """boto3's token for the page after the last landed one."""
        if self._token is not None:
            return str(TokenEncoder().encode({"nextToken": self._token}))
        return None if self._number else self._request.starting_token

    def _end(
        self,
        status: str,
        code: str | None = None,
        message: str | None = None,
        resume_token: str | None = None,
    ) -> None:
        """States how the listing ended."""
        self.outcome = replace(
            self.outcome,
            status=status,
            error_code=code,
            error_message=message,
            resume_token=resume_token if self._request.owners == (SELF,) else None,
            finished_at=datetime.now(UTC),
        )


_METHODS: Final = {LIST_BUILDS: "list_image_build_versions", LIST_IMAGES: "list_images"}
_RESULTS: Final = {LIST_BUILDS: "imageSummaryList", LIST_IMAGES: "imageVersionList"}


def _asks(request: Request) -> Iterator[_Ask]:
    filters = {"filters": request.api_filters()} if request.filters else {}
    if request.image_version_arn:
        arn = {"imageVersionArn": request.image_version_arn}
        yield _Ask(LIST_BUILDS, request.owners[0], arn | filters)
        return
    for owner in request.owners:
        if owner == SELF:
            yield _Ask(LIST_BUILDS, SELF, filters)
        else:
            yield _Ask(LIST_IMAGES, owner, {"owner": owner} | filters)


def _asks_for_images(ownership: str, images: list[dict[str, Any]]) -> Iterator[_Ask]:
    """Images of others are found only one by one (the API lists no builds of other owners)."""
    for image in images:
        if arn := image.get("arn"):
            yield _Ask(LIST_BUILDS, ownership, {"imageVersionArn": arn})
