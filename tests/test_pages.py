"""A listing over HTTP: it asks and resumes as boto3's paginator does, keeps the bytes, and never
mistakes trouble for an empty list.

Listings are driven a call at a time and their waits are not slept through but looked at.
"""

import json
import random
import time
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from extract.asks import LIST_BUILDS, LIST_IMAGES
from extract.emulator import Emulator
from extract.landing import LandingWriter, Page, landed_pages
from extract.patience import MAX_FAILURES_IN_A_ROW, Limits
from extract.request import Request
from extract.targets import TargetOutcome
from tests.listing import (
    ACCOUNT,
    REGION,
    STORIES,
    TARGET,
    Listed,
    calls,
    listing,
    run,
    sent,
    sent_arns,
    tell,
)

# What is asked and what is kept


def test_the_bytes_that_landed_are_the_bytes_that_were_sent(emulator: Emulator) -> None:
    listed = run(page_size=30)
    assert [page.body for page in listed.pages] == sent(emulator, maxResults=30)
    assert len(listed.pages) > 3


@pytest.mark.usefixtures("emulator")
def test_a_page_says_what_is_known_of_its_call() -> None:
    listed = run(page_size=60)
    bodies = [json.loads(page.body) for page in listed.pages]
    tokens = [body.get("nextToken") for body in bodies]
    known = [
        (
            page.account_id,
            page.region,
            page.operation,
            page.ownership,
            page.attempt,
            page.number,
            page.token,
            page.next_token,
            page.first_item,
            page.item_count,
        )
        for page in listed.pages
    ]
    assert known == [
        (ACCOUNT, REGION, LIST_BUILDS, "Self", 1, n + 1, token, next_token, 0, len(items))
        for n, (token, next_token, items) in enumerate(
            zip(
                [None, *tokens], tokens, [body["imageSummaryList"] for body in bodies], strict=False
            )
        )
    ]
    assert [page.request_id for page in listed.pages] == [body["requestId"] for body in bodies]
    assert tokens[-1] is None


def test_a_complete_listing_says_so(emulator: Emulator) -> None:
    listed = run()
    outcome = listed.outcome
    assert outcome.started_at is not None
    assert outcome.finished_at is not None
    assert outcome.started_at <= listed.pages[0].arrived_at <= outcome.finished_at
    assert outcome == TargetOutcome(
        account_id=ACCOUNT,
        region=REGION,
        status="complete",
        pages=len(listed.pages),
        builds_listed=len(sent_arns(emulator)),
        requests=len(listed.pages),
        throttles=0,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
    )


def test_pages_of_100_are_asked_for(emulator: Emulator) -> None:
    run()
    assert {size for _, size in calls(emulator)} == {100}


def test_the_page_size_can_be_chosen(emulator: Emulator) -> None:
    run(page_size=40)
    assert {size for _, size in calls(emulator)} == {40}


def test_a_target_without_builds_is_complete_and_empty(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"empty": True})
    listed = run()
    assert (listed.ending, listed.arns, len(listed.pages)) == (("complete", None), [], 1)


def test_an_empty_page_with_a_token_is_no_end(emulator: Emulator) -> None:
    """Only a missing token ends the list, whatever the pages before it held."""
    pages = tell(emulator, "empty_page_with_token.json")
    listed = run()
    assert listed.ending == ("complete", None)
    assert [page.item_count for page in listed.pages] == [
        len(page.get("imageSummaryList") or []) for page in pages
    ]


def test_an_empty_token_ends_the_list(emulator: Emulator) -> None:
    emulator.set_answers(ACCOUNT, REGION, ['{"imageSummaryList":[{"arn":"a"}],"nextToken":""}'])
    listed = run()
    assert (listed.ending, listed.arns) == (("complete", None), ["a"])


def test_short_pages_are_followed_to_the_end(emulator: Emulator) -> None:
    expected = sent_arns(emulator)
    emulator.set_faults(TARGET, {"short_pages": True})
    listed = run(page_size=20)
    assert 0 in {page.item_count for page in listed.pages}
    assert (listed.ending, listed.arns) == (("complete", None), expected)


def test_a_filter_reaches_the_api(emulator: Emulator) -> None:
    platforms = {"name": "platform", "values": ["Windows", "macOS"]}
    types = {"name": "type", "values": ["AMI"]}
    expected = sent_arns(emulator, filters=[platforms, types])
    listed = run(filters=(("platform", ("Windows", "macOS")), ("type", ("AMI",))))
    assert listed.arns == expected
    assert 0 < len(expected) < len(sent_arns(emulator))


def test_an_image_version_reaches_the_api(emulator: Emulator) -> None:
    version_arn = sent_arns(emulator)[0].rpartition("/")[0]
    expected = sent_arns(emulator, imageVersionArn=version_arn)
    assert run(image_version_arn=version_arn).arns == expected
    assert {arn.rpartition("/")[0] for arn in expected} == {version_arn}


@pytest.mark.parametrize("owner", ["Shared", "Amazon", "ThirdParty", "AWSMarketplace"])
def test_images_of_others_are_found_through_list_images(emulator: Emulator, owner: str) -> None:
    """The API lists their builds only image by image."""
    listed = run(owners=(owner,))
    images = own_client().get_paginator("list_images").paginate(owner=owner)
    expected = [
        arn
        for page in images
        for image in page["imageVersionList"]
        for arn in sent_arns(emulator, imageVersionArn=image["arn"])
    ]
    assert (listed.ending, listed.arns) == (("complete", None), expected)
    assert len(expected) > 3
    assert {page.ownership for page in listed.pages} == {owner}
    assert listed.outcome.builds_listed == len(expected)


def test_the_images_that_aws_shows_as_an_example_are_asked_for(emulator: Emulator) -> None:
    """Its page lands as it came, and leads to the builds of the image that it names."""
    images = (STORIES / "aws_example_list_images.json").read_text()
    builds = (STORIES / "aws_example_list_image_build_versions.json").read_text()
    emulator.set_answers(ACCOUNT, REGION, [images], LIST_IMAGES)
    emulator.set_answers(ACCOUNT, REGION, [builds])
    listed = run(owners=("Shared",))
    assert [page.body.decode() for page in listed.pages] == [images, builds]
    assert listed.arns == [item["arn"] for item in json.loads(builds)["imageSummaryList"]]


def test_own_images_and_those_of_others_can_be_listed_together(emulator: Emulator) -> None:
    listed = run(owners=("Self", "Amazon"))
    asked = [(page.operation, page.ownership) for page in listed.pages]
    assert list(dict.fromkeys(asked)) == [
        (LIST_BUILDS, "Self"),
        (LIST_IMAGES, "Amazon"),
        (LIST_BUILDS, "Amazon"),
    ]
    assert listed.arns[: len(sent_arns(emulator))] == sent_arns(emulator)


@pytest.mark.usefixtures("emulator")
def test_a_filter_narrows_the_images_of_others() -> None:
    linux = run(owners=("Amazon",), filters=(("platform", ("Linux",)),))
    assert 0 < len(linux.arns) < len(run(owners=("Amazon",)).arns)
    builds = [
        item
        for page in linux.pages
        if page.operation == LIST_BUILDS
        for item in json.loads(page.body)["imageSummaryList"]
    ]
    assert {build["platform"] for build in builds} == {"Linux"}


# MaxItems, PageSize and StartingToken: boto3's paginator is the measure


@cache
def own_client() -> Any:
    return boto3.Session().client("imagebuilder")


def by_boto3(**config: Any) -> tuple[list[str], str | None]:
    """The ARNs and the resume token of boto3's own paginator."""
    iterator = (
        own_client().get_paginator("list_image_build_versions").paginate(PaginationConfig=config)
    )
    return [item["arn"] for item in iterator.build_full_result()["imageSummaryList"]], (
        iterator.resume_token
    )


@pytest.mark.parametrize("is_short", [False, True], ids=["full pages", "short pages"])
def test_a_listing_is_cut_and_resumed_as_by_boto3(emulator: Emulator, is_short: bool) -> None:
    """The same builds and the same resume token for any page size, limit and place to begin at."""
    dice = random.Random(7)  # noqa: S311 - a fixed seed, no secret
    emulator.set_faults(TARGET, {"short_pages": is_short})
    tokens: list[str | None] = [None]
    for _ in range(25):
        config = {
            "PageSize": dice.randint(1, 100),
            "MaxItems": dice.choice((None, *range(1, 131, 5))),
            "StartingToken": dice.choice(tokens),
        }
        arns, token = by_boto3(**config)
        listed = run(
            page_size=config["PageSize"],
            max_items=config["MaxItems"],
            starting_token=config["StartingToken"],
        )
        expected = (arns, token, "truncated" if token else "complete")
        assert (listed.arns, listed.outcome.resume_token, listed.outcome.status) == expected, config
        tokens += [token] * (token is not None)
    assert len(tokens) > 5


def test_max_items_cuts_inside_a_page(emulator: Emulator) -> None:
    every = sent_arns(emulator)
    first = run(page_size=100, max_items=7)
    assert (first.ending, first.arns) == (("truncated", "MaxItems"), every[:7])
    rest = run(page_size=100, starting_token=first.outcome.resume_token)
    assert (rest.ending, rest.arns) == (("complete", None), every[7:])
    assert rest.pages[0].body == first.pages[0].body
    assert rest.pages[0].first_item == 7


def test_max_items_cuts_between_two_pages(emulator: Emulator) -> None:
    every = sent_arns(emulator)
    in_first_page = len(json.loads(sent(emulator, maxResults=50)[0])["imageSummaryList"])
    first = run(page_size=50, max_items=in_first_page)
    assert first.outcome.requests == 1
    assert (first.ending, first.arns) == (("truncated", "MaxItems"), every[:in_first_page])
    rest = run(page_size=50, starting_token=first.outcome.resume_token)
    assert (rest.ending, rest.arns) == (("complete", None), every[in_first_page:])


def test_max_items_that_the_list_just_fills_cuts_nothing(emulator: Emulator) -> None:
    every = sent_arns(emulator)
    listed = run(max_items=len(every))
    assert (listed.ending, listed.arns) == (("complete", None), every)
    assert listed.outcome.resume_token is None


def test_max_items_beyond_the_list_cuts_nothing(emulator: Emulator) -> None:
    listed = run(max_items=10_000)
    assert (listed.ending, listed.arns) == (("complete", None), sent_arns(emulator))


def test_an_interrupted_listing_is_cut_at_the_same_place(emulator: Emulator) -> None:
    """A retry in front of a page changes neither what counts nor the token."""
    expected = by_boto3(PageSize=20, MaxItems=50)
    emulator.set_faults(TARGET, {"errors": ["ok", "500", "429", "ok", "reset"]})
    listed = run(page_size=20, max_items=50)
    assert (listed.arns, listed.outcome.resume_token) == expected
    assert listed.outcome.requests == len(listed.pages) + 3


def test_an_interrupted_resumption_begins_at_its_token_again(emulator: Emulator) -> None:
    token = run(page_size=20, max_items=33).outcome.resume_token
    emulator.set_faults(TARGET, {"errors": ["500", "500"]})
    listed = run(page_size=20, starting_token=token)
    assert (listed.ending, listed.arns) == (("complete", None), sent_arns(emulator)[33:])


@pytest.mark.usefixtures("emulator")
def test_max_items_holds_over_all_images_of_an_owner() -> None:
    """A limit over several lists has no token that could go on from it."""
    every = run(owners=("Amazon",)).arns
    listed = run(owners=("Amazon",), max_items=5)
    assert (listed.ending, listed.arns) == (("truncated", "MaxItems"), every[:5])
    assert listed.outcome.resume_token is None


@pytest.mark.parametrize("token", ["no token", "eyJuZXh0VG9rZW4iOiAieCJ9"])
def test_a_starting_token_that_is_none_fails_the_target(emulator: Emulator, token: str) -> None:
    """Not base64, and base64 of a token that the service never gave out."""
    listed = run(starting_token=token)
    assert (listed.outcome.status, listed.arns) == ("failed", [])
    assert "token" in str(listed.outcome.error_message)
    assert len(emulator.requests()) <= 1


# Trouble


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


# Going on


@pytest.mark.parametrize("landed_pages_count", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("max_items", [None, 45, 50, 116, 117])
def test_an_interrupted_listing_goes_on_after_its_last_page(
    emulator: Emulator, tmp_path: Path, max_items: int | None, landed_pages_count: int
) -> None:
    """What a killed run had landed is not asked for again, and the whole is as if it had not been."""
    request = Request(page_size=20, max_items=max_items)
    whole = run(page_size=20, max_items=max_items)
    emulator.clear_requests()
    with LandingWriter(tmp_path) as writer:
        killed = listing(writer.land, request)
        for _ in range(landed_pages_count):
            killed.step()
    killed.close()
    before = landed_pages(tmp_path)
    with LandingWriter(tmp_path) as writer:
        second = listing(writer.land, request)
        second.go_on(before)
        while second.step() is not None:
            pass
    second.close()
    landed = [page for page in landed_pages(tmp_path) if page.item_count]
    counted = [(page.number, page.first_item, page.item_count) for page in landed]
    assert counted == [(p.number, p.first_item, p.item_count) for p in whole.pages if p.item_count]
    assert second.outcome.resume_token == whole.outcome.resume_token
    assert second.outcome.status == whole.outcome.status
    assert second.outcome.builds_listed == whole.outcome.builds_listed


def test_an_interrupted_listing_of_others_images_goes_on(
    emulator: Emulator, tmp_path: Path
) -> None:
    """The images that ListImages had named are read off its landed page."""
    whole = run(owners=("Self", "Amazon"), page_size=50)
    request = Request(owners=("Self", "Amazon"), page_size=50)
    with LandingWriter(tmp_path) as writer:
        killed = listing(writer.land, request)
        for _ in range(9):
            killed.step()
    killed.close()
    emulator.clear_requests()
    rest: list[Page] = []
    second = listing(rest.append, request)
    second.go_on(landed_pages(tmp_path))
    while second.step() is not None:
        pass
    second.close()
    assert [page.body for page in rest] == [page.body for page in whole.pages[9:]]
    assert len(emulator.requests()) == len(whole.pages) - 9
