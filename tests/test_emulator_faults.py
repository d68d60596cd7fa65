"""The emulator fails as it is told to: errors, broken connections, throttling, strange pages."""

import json
import time
from http.client import HTTPException, IncompleteRead
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from extract.emulator import Emulator, EmulatorError
from tests.emulated import (
    ACCOUNT,
    OTHER,
    REGION,
    SHAPES,
    TARGET,
    THIRD,
    _well_behaved,
    builds,
    client,
    emulator,
    pages,
    post,
)

__all__ = ["_well_behaved", "emulator"]  # fixtures are used by their names


@pytest.mark.parametrize(
    ("outcome", "code", "status"),
    [
        ("500", "ServiceException", 500),
        ("503", "ServiceUnavailableException", 503),
        ("429", "CallRateLimitExceededException", 429),
        ("access_denied", "AccessDeniedException", 403),
        ("forbidden", "ForbiddenException", 403),
        ("unrecognized_client", "UnrecognizedClientException", 403),
        ("expired_token", "ExpiredTokenException", 403),
        ("invalid_token", "InvalidPaginationTokenException", 400),
        ("opt_in_required", "OptInRequired", 403),
        ("html", "502", 502),
    ],
)
def test_a_scripted_error_happens_once(
    emulator: Emulator, outcome: str, code: str, status: int
) -> None:
    emulator.set_faults(TARGET, {"errors": [outcome]})
    with pytest.raises(ClientError) as caught:
        client(emulator).list_image_build_versions()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert client(emulator).list_image_build_versions()["imageSummaryList"]


def test_broken_connections_break_as_networks_do(emulator: Emulator) -> None:
    emulator.set_faults(TARGET, {"errors": ["reset", "truncate", "hang:1.5", "ok"]})
    with pytest.raises(ConnectionResetError):
        post(emulator)
    with pytest.raises(IncompleteRead):
        post(emulator)
    with pytest.raises(BotoCoreError, match="Read timeout"):
        client(emulator).list_image_build_versions()
    emulator.set_faults(TARGET, {"always": "reset"})
    for _ in range(2):
        with pytest.raises((ConnectionResetError, HTTPException)):
            post(emulator)
    assert post(emulator, account=OTHER)[0] == 200


def test_throttling_lets_the_burst_pass_and_says_when_to_come_back(emulator: Emulator) -> None:
    emulator.set_faults("*", {"throttle": {"rate": 1, "burst": 2, "retry_after": 1}})
    assert [post(emulator)[0] for _ in range(4)] == [200, 200, 429, 429]
    time.sleep(1.1)
    assert post(emulator)[0] == 200
    with pytest.raises(ClientError, match="CallRateLimitExceeded") as caught:
        client(emulator).list_image_build_versions()
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


def test_strange_pages(emulator: Emulator) -> None:
    """Each paging fault shows, and the builds that come are still those of the fleet."""
    every = builds(emulator)
    emulator.set_faults("*", {"short_pages": True, "latency_ms": 1})
    short = list(pages(emulator, maxResults=20))
    assert [build for page in short for build in page["imageSummaryList"]] == every
    assert any(not page["imageSummaryList"] for page in short)
    emulator.set_faults("*", {"repeat_last": True})
    first, second, *_ = pages(emulator, maxResults=20)
    before, again = first["imageSummaryList"][-1], second["imageSummaryList"][0]
    assert before["arn"] == again["arn"]
    assert before["state"]["status"] != again["state"]["status"]
    emulator.set_faults("*", {"same_token": True})
    token = json.loads(post(emulator)[1])["nextToken"]
    assert json.loads(post(emulator, nextToken=token)[1])["nextToken"] == token
    emulator.set_faults("*", {"expire_token_after_pages": 2})
    paginator = client(emulator).get_paginator("list_image_build_versions")
    with pytest.raises(ClientError, match="InvalidPaginationToken"):
        list(paginator.paginate(PaginationConfig={"PageSize": 10}))
    emulator.set_faults("*", {"page_sizes_max": 25})
    assert post(emulator, maxResults=26)[0] == 400
    assert post(emulator, maxResults=25)[0] == 200


def test_unknown_members_at_every_level(emulator: Emulator) -> None:
    """They come on top of the fleet; boto3 reads past them."""
    emulator.set_faults("*", {"unknown_members": True})
    shape = SHAPES.shape_for("ListImageBuildVersionsResponse")
    unknown: set[str] = set()
    for account in (ACCOUNT, OTHER, THIRD):
        for page in pages(emulator, account=account, maxResults=100):
            unknown |= unknown_in(shape, page, "")
    assert unknown >= {
        ".pageInformation",
        ".imageSummaryList.isGolden",
        ".imageSummaryList.state.since",
        ".imageSummaryList.state.failureContext.retriable",
        ".imageSummaryList.state.failureContext.componentFailure.severity",
        ".imageSummaryList.state.failureContext.distributionFailure.regionFailures.attempts",
        ".imageSummaryList.outputResources.volumes",
        ".imageSummaryList.outputResources.amis.bootMode",
        ".imageSummaryList.outputResources.containers.sizeInBytes",
        ".imageSummaryList.loggingConfiguration.retentionInDays",
    }
    assert client(emulator).list_image_build_versions()["imageSummaryList"]


def unknown_in(shape: Any, value: Any, path: str) -> set[str]:
    if shape.type_name == "list":
        return set().union(*(unknown_in(shape.member, inner, path) for inner in value))
    if shape.type_name != "structure":
        return set()
    known = (
        unknown_in(shape.members[name], inner, f"{path}.{name}")
        for name, inner in value.items()
        if name in shape.members
    )
    return {f"{path}.{name}" for name in value if name not in shape.members}.union(*known)


def test_scripted_answers_are_served_byte_for_byte(emulator: Emulator) -> None:
    texts = [
        '{ "imageSummaryList" : [{"arn":"a","x":1.50,"name":"\\u00e9 é 🚀"}]\n } ',
        "{}",
        '{"imageSummaryList":[],"nextToken":""}',
    ]
    emulator.set_answers(ACCOUNT, REGION, texts)
    _, first = post(emulator, maxResults=1)
    token = json.loads(first)["nextToken"]
    assert first.decode() == texts[0].replace("}]\n }", f'}}]\n ,"nextToken":"{token}"}}')
    _, second = post(emulator, nextToken=token)
    token = json.loads(second)["nextToken"]
    assert second.decode() == f'{{"nextToken":"{token}"}}'
    assert post(emulator, nextToken=token) == (200, texts[2].encode())
    for text in ("<html>", '{"cut":', "[1]"):
        emulator.set_answers(ACCOUNT, REGION, [text, "{}"])
        assert post(emulator) == (200, text.encode())
    emulator.set_answers(ACCOUNT, REGION, [])
    assert len(builds(emulator)) > 100


def test_a_fault_that_does_not_exist_is_named(emulator: Emulator) -> None:
    with pytest.raises(EmulatorError, match="fault 'trottle'"):
        emulator.set_faults("*", {"trottle": {"rate": 1}})
    with pytest.raises(EmulatorError, match="outcome '501'"):
        emulator.set_faults("*", {"errors": ["501"]})
