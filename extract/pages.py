"""One target's listing, a call at a time: boto3's paginator with the raw bodies kept.

The only place that knows botocore's hooks. A listing makes one call in each `step` and says how long
to wait before the next, so that whoever drives it can turn to another target meanwhile. What it
cannot read it names; it never ends silently.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import PaginationError
from botocore.paginate import TokenEncoder
from botocore.parsers import ResponseParserError

from extract.asks import LIST_BUILDS, LIST_IMAGES, Ask, asks, asks_for_images, image_arns
from extract.envelope import MalformedPageError, listed_images, open_envelope
from extract.errors import CALL_ERRORS, Kind, Problem, diagnose
from extract.landing import LandedPage, Page
from extract.patience import Limits, Patience
from extract.request import Request
from extract.targets import Target, TargetOutcome
from schemas.api import FORMER_MAX_PAGE_SIZE, MAX_PAGE_SIZE, SELF
from schemas.snapshots import COMPLETE, FAILED, SKIPPED, TRUNCATED


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
        self._has_started_over = False
        self._start()
        if target.error:
            self._end(FAILED, *target.error)

    def go_on(self, pages: Sequence[LandedPage]) -> None:
        """Takes the pages of an interrupted listing of the same request as landed by this one.

        The next call asks for the page after the last of them; none where they were all, or held
        as many builds as are asked for.
        """
        last_attempt = max((page.attempt for page in pages), default=0)
        for page in pages:
            if page.attempt == last_attempt:
                self._attempt = page.attempt
                self._advance(page)
        if pages:
            self.outcome = replace(self.outcome, started_at=pages[0].arrived_at)
        if self._remaining is not None and self._remaining <= 0:
            self._end_at_max_items(self._token_after(pages[-1]))
        elif not self._asks:
            self._end(COMPLETE)
        if pages and self.outcome.status:
            self.outcome = replace(self.outcome, finished_at=pages[-1].arrived_at)

    def step(self) -> float | None:
        """Makes one call. Returns the seconds to wait before the next, None at the end."""
        if self.outcome.status:
            return None
        if not self.outcome.requests and not self._patience.is_over:
            self._patience.begin()
            started_at = self.outcome.started_at or datetime.now(UTC)
            self.outcome = replace(self.outcome, started_at=started_at)
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
        self._asks = deque(asks(self._request))
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
        page = self._page_of(ask, response)
        self._land(page)
        self._advance(page)
        if self._remaining is not None and self._remaining <= 0:
            self._reached_max_items()
        elif not self._asks:
            self._end(COMPLETE)
        return self._patience.interval_seconds

    def _paginate(self, ask: Ask) -> Iterator[dict[str, Any]]:
        if self._client is None:
            self._client = self._make_client()
            for operation in (LIST_BUILDS, LIST_IMAGES):
                self._client.meta.events.register(
                    f"before-parse.imagebuilder.{operation}", self._keep_body
                )
        self._iterable = self._client.get_paginator(ask.method).paginate(
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

        Parsing is four fifths of the CPU of a call for 100 builds (tests/bench/calls.py). What the
        paginator works with stays as it would be: a list of as many items, and the token.
        """
        if response_dict["status_code"] >= 300:
            return
        self._kept = response_dict["body"]
        try:
            if response_dict["context"]["operation_name"] != LIST_BUILDS:
                listed_images(self._kept)  # else botocore would take anything for an empty list
                return
            envelope = open_envelope(self._kept)
        except MalformedPageError as error:
            raise ResponseParserError(str(error)) from error
        response_dict["body"] = b"{}"
        customized_response_dict["imageSummaryList"] = list(
            range(len(envelope.imageSummaryList or ()))
        )
        if envelope.nextToken is not None:
            customized_response_dict["nextToken"] = envelope.nextToken

    def _page_of(self, ask: Ask, response: dict[str, Any]) -> Page:
        """The page that the hook kept, with what is known of its call."""
        if self._kept is None:  # a body that the hook did not see cannot be kept
            raise RuntimeError("botocore did not call the before-parse hook")
        body, self._kept = self._kept, None
        items = response.get(ask.result) or []
        next_token = response.get("nextToken") or None
        if next_token in self._tokens:
            raise PaginationError(message=f"a token came twice: {next_token}")
        return Page(
            account_id=self.outcome.account_id,
            region=self.outcome.region,
            operation=ask.operation,
            ownership=ask.ownership,
            attempt=self._attempt,
            number=self._number + 1,
            token=self._token,
            next_token=next_token,
            first_item=items[0] if items and ask.operation == LIST_BUILDS else 0,
            item_count=len(items),
            request_id=response["ResponseMetadata"].get("RequestId"),
            arrived_at=datetime.now(UTC),
            body=body,
        )

    def _advance(self, page: Page | LandedPage) -> None:
        """Moves on by a page that landed, to its next token or to what is asked next."""
        self._number = page.number
        self._token = page.next_token
        builds = page.item_count if page.operation == LIST_BUILDS else 0
        if page.number == 1:  # a listing that starts over replaces what was listed only here
            self.outcome = replace(self.outcome, builds_listed=0)
        if self._remaining is not None:
            self._remaining -= builds
        self._asks.extend(asks_for_images(page.ownership, image_arns(page)))
        if page.next_token is None:
            self._asks.popleft()
            self._pages = None
        else:
            self._tokens.add(page.next_token)
        self.outcome = replace(
            self.outcome,
            pages=self.outcome.pages + 1,
            builds_listed=self.outcome.builds_listed + builds,
        )

    def _reached_max_items(self) -> None:
        next(self._pages or iter(()), None)  # makes the paginator state its token; no call is made
        self._end_at_max_items(self._iterable.resume_token)

    def _end_at_max_items(self, token: str | None) -> None:
        if token is None and not self._asks:
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
        if problem.kind is Kind.BAD_TOKEN and self._number and not self._has_started_over:
            self._has_started_over = True
            self._start()
            return 0.0
        wait = self._patience.after(problem)
        if wait is None:
            self._give_up(problem)
        return wait or 0.0

    def _give_up(self, problem: Problem) -> None:
        status, message = FAILED, problem.message
        if problem.kind is Kind.NOT_ENABLED and not self.outcome.pages:
            status = SKIPPED
        elif problem.kind is Kind.NOT_ENABLED:
            message += "; but it has answered, so the credentials are not valid any more"
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

    def _token_after(self, page: LandedPage) -> str | None:
        """boto3's token for the item after the last of the page that counts, as it states it."""
        counted = page.first_item + page.item_count
        if counted == len(open_envelope(page.read_body()).imageSummaryList or ()):
            return self._resume_token()
        members = {"nextToken": page.token, "boto_truncate_amount": counted}
        return str(TokenEncoder().encode(members))

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
