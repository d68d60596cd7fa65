"""A listing never mistakes trouble for an empty list.

Listings are driven a call at a time and their waits are not slept through but looked at.
"""

import json
import time

import pytest

from extract.emulator import Emulator
from extract.landing import Page
from extract.patience import MAX_FAILURES_IN_A_ROW, Limits
from extract.request import Request
from tests.listing import (
    ACCOUNT,
    REGION,
    TARGET,
    Listed,
    calls,
    listing,
    run,
    sent,
    sent_arns,
)


def test_throttled_calls_are_repeated_and_counted(emulator: Emulator) -> None:
    """Botocore's standard mode does not retry the service's own CallRateLimitExceededException."""
    emulator.set_faults(TARGET, {"errors": ["429"] * 12 + ["ok"] + ["429"] * 3})
    listed = run(page_size=100)
    assert (listed.ending, listed.arns) == (("complete", None), sent_arns(emulator))
    assert (listed.outcome.throttles, listed.outcome.requests) == (15, 15 + len(listed.pages))


def test_waits_grow_while_calls_are_refused(emulator: Emulator) -> None:
    """From a quarter of a second, doubling up to eight seconds, with jitter below each."""
    emulator.set_faults(TARGET, {"errors": ["429"] * 9})
    spans = [0.25, 0.5, 1, 2, 4, 8, 8, 8, 8]
    waits = run().waits[:9]
    assert all(span / 4 <= wait <= span for wait, span in zip(waits, spans, strict=True)), waits


def test_a_target_that_was_throttled_is_asked_more_slowly_for_a_while(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"errors": ["429"]})
    waits = run(page_size=5).waits
    assert waits[1] == pytest.approx(0.045)
    assert waits[1:-1] == sorted(waits[1:-1], reverse=True)
    assert waits[-1] == 0


def test_retry_after_is_honoured(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"throttle": {"rate": 0.001, "burst": 1, "retry_after": 7}})
    asked = listing(lambda _: None, Request(page_size=10))
    assert asked.step() == 0
    wait = asked.step()
    assert wait is not None
    assert 7 < wait < 8


@pytest.mark.parametrize(
    "trouble",
    [
        ["500", "500"],
        ["503"],
        ["html"],
        ["html_200"],
        ["reset"],
        ["truncate"],
        ["ok", "500", "503", "reset", "truncate", "html_200"],
    ],
    ids=" ".join,
)
def test_passing_trouble_is_asked_again(emulator: Emulator, trouble: list[str]) -> None:
    """Server errors, foreign bodies and broken connections: no build is missing or twice."""
    emulator.set_faults(TARGET, {"errors": trouble})
    listed = run(page_size=60)
    assert (listed.ending, listed.arns) == (("complete", None), sent_arns(emulator))
    failures = len([outcome for outcome in trouble if outcome != "ok"])
    assert listed.outcome.requests == len(listed.pages) + failures


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("500", "ServiceException"),
        ("503", "ServiceUnavailableException"),
        ("html", "502"),
        ("html_200", "MalformedAnswer"),
        ("reset", "ConnectionClosedError"),
        ("truncate", "MalformedAnswer"),
    ],
)
def test_lasting_trouble_fails_the_target(emulator: Emulator, trouble: str, code: str) -> None:
    """After six failures in a row, by the name of the last."""
    emulator.set_faults(TARGET, {"always": trouble})
    listed = run()
    assert (listed.ending, listed.pages) == (("failed", code), [])
    assert listed.outcome.requests == len(emulator.requests()) == MAX_FAILURES_IN_A_ROW
    assert listed.outcome.error_message


def test_a_target_that_fails_half_way_says_where_to_go_on(emulator: Emulator) -> None:
    """What landed stays; the token leads to the first build that did not."""
    every = sent_arns(emulator)
    emulator.set_faults(TARGET, {"errors": ["ok", "access_denied"]})
    first = run(page_size=50)
    assert first.ending == ("failed", "AccessDeniedException")
    rest = run(page_size=50, starting_token=first.outcome.resume_token)
    assert first.arns + rest.arns == every


@pytest.mark.parametrize(
    ("trouble", "status", "code", "remedy"),
    [
        (
            "access_denied",
            "failed",
            "AccessDeniedException",
            "a service control policy denies it: leave the region out or have the policy changed",
        ),
        (
            "forbidden",
            "failed",
            "ForbiddenException",
            "grant imagebuilder:ListImageBuildVersions to the role or leave the region out",
        ),
        ("expired_token", "failed", "ExpiredTokenException", "renew them"),
        ("client", "failed", "ClientException", "could not be processed"),
        ("unrecognized_client", "skipped", "UnrecognizedClientException", "enable it"),
        ("opt_in_required", "skipped", "OptInRequired", "enable it"),
    ],
)
def test_a_final_refusal_is_not_asked_again(
    emulator: Emulator, trouble: str, status: str, code: str, remedy: str
) -> None:
    """One call; the outcome has the code and says what to do."""
    emulator.set_faults(TARGET, {"always": trouble})
    listed = run()
    assert (listed.ending, listed.pages) == ((status, code), [])
    assert remedy in str(listed.outcome.error_message)
    assert listed.outcome.requests == len(emulator.requests()) == 1


@pytest.mark.parametrize("trouble", ["unrecognized_client", "opt_in_required"])
def test_a_region_that_has_answered_is_not_skipped(emulator: Emulator, trouble: str) -> None:
    """Credentials that are refused in the midst of a listing are no region that is not enabled."""
    emulator.set_faults(TARGET, {"errors": ["ok"], "always": trouble})
    listed = run(page_size=30)
    assert (listed.ending[0], len(listed.pages)) == ("failed", 1)
    assert listed.outcome.resume_token is not None
    message = str(listed.outcome.error_message)
    assert message.endswith("it has answered, so the credentials are not valid any more")


def test_a_refused_token_starts_the_listing_over(emulator: Emulator) -> None:
    """Once: the second attempt's pages stand for themselves, the first one's count no more."""
    emulator.set_faults(TARGET, {"errors": ["ok", "ok", "invalid_token"]})
    listed = run(page_size=30)
    assert listed.ending == ("complete", None)
    assert [page.attempt for page in listed.pages[:3]] == [1, 1, 2]
    second = Listed(listed.outcome, [page for page in listed.pages if page.attempt == 2], [])
    assert second.arns == sent_arns(emulator)
    assert [page.number for page in second.pages] == list(range(1, len(second.pages) + 1))
    assert listed.outcome.builds_listed == len(second.arns)


def test_tokens_that_are_always_refused_fail_the_target(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"expire_token_after_pages": 1})
    listed = run(page_size=30)
    assert listed.ending == ("failed", "InvalidPaginationTokenException")
    assert [page.attempt for page in listed.pages] == [1, 2]


def test_a_token_that_comes_again_fails_the_target(emulator: Emulator) -> None:
    """A service that repeats itself would be listed for ever."""
    emulator.set_faults(TARGET, {"same_token": True})
    listed = run(page_size=30)
    assert listed.ending == ("failed", "PaginationError")
    assert len(emulator.requests()) <= 3


def test_a_token_that_comes_again_after_others_fails_the_target(emulator: Emulator) -> None:
    """A longer loop, which botocore's own paginator goes round without end."""
    pages = [json.dumps({"imageSummaryList": [{"arn": name}]}) for name in "abcd"]
    emulator.set_answers(ACCOUNT, REGION, pages)
    second = run().pages[0].next_token
    pages[-1] = json.dumps({"imageSummaryList": [{"arn": "d"}], "nextToken": second})
    emulator.set_answers(ACCOUNT, REGION, pages)
    listed = run()
    assert (listed.ending, listed.arns) == (("failed", "PaginationError"), ["a", "b", "c"])


def test_a_service_that_refuses_pages_of_100_is_asked_for_25(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"page_sizes_max": 25})
    listed = run()
    expected = [arn for body in sent(emulator, maxResults=25) for arn in _arns(body)]
    assert (listed.ending, listed.arns) == (("complete", None), expected)
    sizes = [size for _, size in calls(emulator)][: listed.outcome.requests]
    assert sizes == [100] + [25] * (listed.outcome.requests - 1)


def _arns(body: bytes) -> list[str]:
    return [item["arn"] for item in json.loads(body)["imageSummaryList"]]


def test_a_refusal_that_is_not_of_the_page_size_is_asked_twice_only(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"always": "invalid_request"})
    listed = run()
    assert listed.ending == ("failed", "InvalidRequestException")
    assert [size for _, size in calls(emulator)] == [100, 25]


def test_a_page_size_that_was_chosen_is_not_changed(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"page_sizes_max": 25})
    listed = run(page_size=50)
    assert listed.ending == ("failed", "InvalidRequestException")
    assert [size for _, size in calls(emulator)] == [50]


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        '{"message":"blocked by proxy"}',
        '{"imageSummaryList":{}}',
        '{"imageSummaryList":[null]}',
        '{"imageSummaryList":[{"arn":"a"}',
        '{"imageSummaryList":[],"nextToken":7}',
        "",
    ],
)
def test_a_body_that_is_no_page_is_not_taken_for_an_empty_one(
    emulator: Emulator, body: str
) -> None:
    emulator.set_answers(ACCOUNT, REGION, [body])
    listed = run()
    assert (listed.ending, listed.pages) == (("failed", "MalformedAnswer"), [])


def test_a_target_whose_time_is_up_is_truncated(emulator: Emulator) -> None:
    """What landed stays, and the token leads on."""
    every = sent_arns(emulator)
    pages: list[Page] = []
    emulator.set_faults(TARGET, {"latency_ms": 90})
    asked = listing(pages.append, Request(page_size=20), limits=Limits(target_seconds=0.2))
    while asked.step() is not None:
        pass
    emulator.clear_faults()
    first = Listed(asked.outcome, pages, [])
    assert first.ending == ("truncated", "TimeLimit")
    rest = run(starting_token=asked.outcome.resume_token)
    assert first.arns + rest.arns == every


def test_a_target_without_any_time_fails_unasked(emulator: Emulator) -> None:
    asked = listing(lambda _: None, Request(), limits=Limits(run_deadline=time.monotonic()))
    assert asked.step() is None
    assert (asked.outcome.status, asked.outcome.error_code) == ("failed", "TimeLimit")
    assert emulator.requests() == []
