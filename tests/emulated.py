"""Calls of an emulator of the module's own: by boto3, and signed by no AWS library."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from extract.emulator import Emulator, start
from tests.conftest import CLOCK

ACCOUNT, OTHER, THIRD = "111122223333", "222233334444", "333344445555"
REGION = "us-east-1"
TARGET = f"{ACCOUNT}/{REGION}"
BUILDS_CALL = "/ListImageBuildVersions"
SHAPES = botocore.session.get_session().get_service_model("imagebuilder")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with start(clock=CLOCK) as running:
        yield running


@pytest.fixture(autouse=True)
def _well_behaved(emulator: Emulator) -> Iterator[None]:
    yield
    emulator.clear_faults()
    emulator.clear_answers()
    emulator.set_clock(CLOCK)


def client(
    emulator: Emulator, service: str = "imagebuilder", key: str = f"AKIA{ACCOUNT}EMUL", **more: Any
) -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=1, parameter_validation=False)
    values = {"region_name": REGION, "aws_access_key_id": key, "aws_secret_access_key": "x"}
    return boto3.client(service, endpoint_url=emulator.url, config=config, **(values | more))


def post(
    emulator: Emulator,
    path: str = BUILDS_CALL,
    account: str = ACCOUNT,
    region: str = REGION,
    **members: Any,
) -> tuple[int, bytes]:
    """Return status and body of one call, signed as far as the emulator reads signatures."""
    scope = f"AKIA{account}EMUL/20251120/{region}/imagebuilder/aws4_request"
    connection = HTTPConnection(emulator.url.removeprefix("http://"), timeout=5)
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
    connection.request("POST", path, json.dumps(members), headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def pages(emulator: Emulator, path: str = BUILDS_CALL, **members: Any) -> Iterator[dict[str, Any]]:
    while True:
        status, body = post(emulator, path, **members)
        assert status == 200, body
        page = json.loads(body)
        yield page
        if "nextToken" not in page:
            return
        members["nextToken"] = page["nextToken"]


def builds(emulator: Emulator, **members: Any) -> list[dict[str, Any]]:
    return [
        build
        for page in pages(emulator, **({"maxResults": 100} | members))
        for build in page["imageSummaryList"]
    ]
