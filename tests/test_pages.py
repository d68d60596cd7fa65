"""A listing over HTTP asks as boto3's paginator does, and keeps the bytes that were sent."""

import json

import pytest

from extract.asks import LIST_BUILDS, LIST_IMAGES
from extract.emulator import Emulator
from extract.targets import TargetOutcome
from tests.listing import (
    ACCOUNT,
    REGION,
    STORIES,
    TARGET,
    calls,
    run,
    sent,
    sent_arns,
    tell,
)
from tests.test_pages_limits import own_client


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
