"""The emulator is taken for AWS by unmodified clients."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from extract.emulator import Emulator, start
from tests.conftest import CLOCK
from tests.emulated import (
    ACCOUNT,
    BUILDS_CALL,
    OTHER,
    REGION,
    TARGET,
    _well_behaved,
    builds,
    client,
    emulator,
    pages,
    post,
)

__all__ = ["_well_behaved", "emulator"]  # fixtures are used by their names


def aws(emulator: Emulator, *arguments: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("aws")), "imagebuilder", *arguments]
    command += ["--endpoint-url", emulator.url, "--output", "json"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | emulator.environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_aws_cli_pages_filters_and_resumes(emulator: Emulator) -> None:
    every = [build["arn"] for build in builds(emulator)]
    listing = "list-image-build-versions"
    first = aws(emulator, listing, "--max-items", "7", "--page-size", "5")
    assert [build["arn"] for build in first["imageSummaryList"]] == every[:7]
    resume = ("--starting-token", first["NextToken"], "--page-size", "50")
    rest = aws(emulator, listing, *resume)
    assert [build["arn"] for build in rest["imageSummaryList"]] == every[7:]
    windows = aws(emulator, listing, "--filters", "name=platform,values=Windows,macOS")
    platforms = {build["platform"] for build in windows["imageSummaryList"]}
    assert platforms == {"Windows", "macOS"}
    version_arn = every[0].rpartition("/")[0]
    one = aws(emulator, listing, "--image-version-arn", version_arn)
    same_version = [arn for arn in every if arn.rpartition("/")[0] == version_arn]
    assert [build["arn"] for build in one["imageSummaryList"]] == same_version
    managed = aws(emulator, "list-images", "--owner", "Amazon")
    assert {image["owner"] for image in managed["imageVersionList"]} == {"Amazon"}


def test_a_paginator_gets_each_build_once(emulator: Emulator) -> None:
    paginator = client(emulator).get_paginator("list_image_build_versions")
    arns = [
        build["arn"]
        for page in paginator.paginate(PaginationConfig={"PageSize": 9})
        for build in page["imageSummaryList"]
    ]
    assert len(arns) == len(set(arns))
    assert 100 <= len(arns) <= 140
    assert arns == [build["arn"] for build in builds(emulator)]


def test_each_target_has_its_own_fleet_and_others_have_none(emulator: Emulator) -> None:
    fleets = {
        (account, region): {
            build["arn"] for build in builds(emulator, account=account, region=region)
        }
        for account in (ACCOUNT, OTHER)
        for region in (REGION, "eu-west-1")
    }
    assert len(set.union(*fleets.values())) == sum(len(arns) for arns in fleets.values())
    for (account, region), arns in fleets.items():
        assert all(arn.startswith(f"arn:aws:imagebuilder:{region}:{account}:") for arn in arns)
    assert builds(emulator, account="999999999999") == []
    assert builds(emulator, region="sa-east-1") == []
    emulator.set_faults(TARGET, {"empty": True})
    assert builds(emulator) == []


def test_filters_are_anded_and_their_values_ored(emulator: Emulator) -> None:
    every = builds(emulator)
    build = every[-1]
    chosen = builds(
        emulator,
        maxResults=4,
        filters=[
            {"name": "name", "values": [build["name"], "Nobody"]},
            {"name": "version", "values": [build["version"].partition("/")[0]]},
            {"name": "osVersion", "values": [build["osVersion"]]},
            {"name": "type", "values": ["AMI", "DOCKER"]},
        ],
    )
    version_arn = build["arn"].rpartition("/")[0]
    assert chosen == [each for each in every if each["arn"].rpartition("/")[0] == version_arn]
    sparse = list(
        pages(emulator, maxResults=3, filters=[{"name": "platform", "values": ["macOS"]}])
    )
    assert any(not page["imageSummaryList"] for page in sparse[:-1])


@pytest.mark.parametrize(
    "members",
    [
        {"maxResults": 101},
        {"maxResults": 0},
        {"filters": [{"name": "colour", "values": ["red"]}]},
        {"imageVersionArn": f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:image/a/x.x.x"},
        {"imageVersionArn": "nonsense"},
    ],
)
def test_bad_members_are_invalid_requests(emulator: Emulator, members: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        client(emulator).list_image_build_versions(**members)


def test_an_image_version_that_does_not_exist_has_no_builds(emulator: Emulator) -> None:
    image_arn = builds(emulator)[0]["arn"].rpartition("/")[0].rpartition("/")[0]
    never_built = f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:image/never-built/1.0.0"
    for arn in (never_built, f"{image_arn}/0.0.0", f"{image_arn}/1.{'9' * 5000}.0"):
        assert builds(emulator, imageVersionArn=arn) == []


def test_tokens_are_refused_where_foreign_garbled_or_expired(emulator: Emulator) -> None:
    token = client(emulator).list_image_build_versions(maxResults=5)["nextToken"]
    refused: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({}, {"nextToken": f"{token[:10]}AAAA{token[14:]}"}),
        ({}, {"nextToken": "garbled!"}),
        ({}, {"nextToken": token, "filters": [{"name": "type", "values": ["AMI"]}]}),
        ({"key": f"AKIA{OTHER}EMUL"}, {"nextToken": token}),
        ({"region_name": "eu-west-1"}, {"nextToken": token}),
    )
    for how, members in refused:
        with pytest.raises(ClientError) as caught:
            client(emulator, **how).list_image_build_versions(**members)
        assert caught.value.response["Error"]["Code"] == "InvalidPaginationTokenException"
    assert client(emulator).list_image_build_versions(nextToken=token)["imageSummaryList"]
    with start(clock=CLOCK, token_seconds=0.05) as hasty:
        token = json.loads(post(hasty)[1])["nextToken"]
        time.sleep(0.1)
        status, body = post(hasty, nextToken=token)
        assert (status, b"token" in body) == (400, True)


def test_sts_gives_roles_in_other_accounts_where_they_trust(emulator: Emulator) -> None:
    sts = client(emulator, "sts")
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    role = {"RoleArn": emulator.role_arns()[1], "RoleSessionName": "test", "DurationSeconds": 900}
    assumed = sts.assume_role(**role)
    left = assumed["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    credentials = {
        "aws_access_key_id": assumed["Credentials"]["AccessKeyId"],
        "aws_secret_access_key": assumed["Credentials"]["SecretAccessKey"],
    }
    whole = credentials | {"aws_session_token": assumed["Credentials"]["SessionToken"]}
    identity = client(emulator, "sts", **whole).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/imagelake/test"
    page = client(emulator, **whole).list_image_build_versions(maxResults=5)
    assert page["imageSummaryList"][0]["arn"].split(":")[4] == OTHER
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        client(emulator, **credentials).list_image_build_versions()
    china = role | {"RoleArn": f"arn:aws-cn:iam::{OTHER}:role/x/imagelake"}
    assert sts.assume_role(**china)["AssumedRoleUser"]["Arn"].startswith("arn:aws-cn:sts::")


def test_sts_denies_without_external_id_and_where_told_to(emulator: Emulator) -> None:
    sts = client(emulator, "sts")
    role = {"RoleArn": emulator.role_arns()[1], "RoleSessionName": "test"}
    emulator.set_faults(f"{OTHER}/*", {"external_id": "secret-1"})
    for external in ({}, {"ExternalId": "wrong"}):
        with pytest.raises(ClientError, match=r"AccessDenied.*sts:AssumeRole"):
            sts.assume_role(**role, **external)
    assert sts.assume_role(**role, ExternalId="secret-1")
    emulator.set_faults(f"{OTHER}/*", {"sts_denied": True})
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(**role)


def test_list_regions_pages_and_filters(emulator: Emulator) -> None:
    emulator.set_faults("*/eu-west-1", {"region_disabled": True})
    paginator = client(emulator, "account").get_paginator("list_regions")
    status = ["ENABLED", "ENABLED_BY_DEFAULT"]
    found = [
        region["RegionName"]
        for page in paginator.paginate(
            RegionOptStatusContains=status, PaginationConfig={"PageSize": 2}
        )
        for region in page["Regions"]
    ]
    assert found == ["eu-central-1", "us-east-1", "us-west-2"]
    (page,) = paginator.paginate()
    assert {"RegionName": "eu-west-1", "RegionOptStatus": "DISABLED"} in page["Regions"]


def test_the_log_tells_who_asked_what(emulator: Emulator) -> None:
    emulator.clear_requests()
    post(emulator, account=OTHER, region="eu-west-1", maxResults=10)
    emulator.set_faults("*", {"errors": ["429"]})
    post(emulator)
    first, second = emulator.requests()
    expected = {
        "account": OTHER,
        "region": "eu-west-1",
        "operation": "ListImageBuildVersions",
        "access_key_id": f"AKIA{OTHER}EMUL",
        "token": None,
        "max_results": 10,
        "page": 0,
        "status": 200,
    }
    assert {name: first[name] for name in expected} == expected
    assert (second["status"], second["error"]) == (429, "CallRateLimitExceededException")
    assert emulator.stats()["requests"] >= 2


def test_a_call_without_a_signature_is_refused(emulator: Emulator) -> None:
    connection = HTTPConnection(emulator.url.removeprefix("http://"), timeout=5)
    connection.request("POST", BUILDS_CALL, "{}")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 403
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException:"
    assert answer.headers["x-amzn-RequestId"]
    connection.close()


def test_the_process_ends_with_its_handle_and_with_its_parent() -> None:
    with start() as running:
        process = running.process
        assert process.poll() is None
    assert process.returncode == 0
    parent = (
        "import os; from extract.emulator import start; "
        "print(start().process.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True, timeout=20, check=False
    )
    child = Path(f"/proc/{int(done.stdout)}/stat")
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_terminated_server_exits_cleanly() -> None:
    running = start()
    running.process.terminate()
    assert running.process.wait(5) == 0
    running.close()
