"""MaxItems, PageSize and StartingToken of a listing: boto3's paginator is the measure."""

import json
import random
from functools import cache
from typing import Any

import boto3
import pytest

from extract.emulator import Emulator
from tests.listing import (
    TARGET,
    run,
    sent,
    sent_arns,
)


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
