"""The emulator is taken for AWS by unmodified clients, and misbehaves only where told to."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, IncompleteRead
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from extract.emulator import Emulator, EmulatorError, start

CLOCK = datetime(2025, 11, 20, 12, tzinfo=UTC)
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


def check(shape: Any, value: Any, path: str, seen: set[str]) -> None:
    """Assert that `value` is what the service model says; note the members that were seen."""
    seen.add(path)
    if shape.type_name == "structure":
        assert isinstance(value, dict), path
        for name, inner in value.items():
            assert name in shape.members, f"{path}.{name} is not in the model"
            check(shape.members[name], inner, f"{path}.{name}", seen)
    elif shape.type_name == "list":
        assert isinstance(value, list), path
        check_length(shape, value, path)
        for inner in value:
            check(shape.member, inner, f"{path}[]", seen)
    elif shape.type_name == "map":
        check_length(shape, value, path)
        for key, inner in value.items():
            check(shape.key, key, f"{path}.key", set())
            check(shape.value, inner, f"{path}.value", set())
    elif shape.type_name == "timestamp":
        assert isinstance(value, int | float), path
    else:
        assert isinstance(value, str), path
        check_length(shape, value, path)
        pattern = botocore_pattern(shape)
        assert pattern is None or re.search(pattern, value), f"{path}: {value!r} and {pattern}"
        assert not shape.enum or value in shape.enum, f"{path}: {value!r}"


def check_length(shape: Any, value: Any, path: str) -> None:
    assert len(value) >= shape.metadata.get("min", 0), path
    assert len(value) <= shape.metadata.get("max", sys.maxsize), path


def botocore_pattern(shape: Any) -> str | None:
    pattern: str | None = shape._shape_model.get("pattern")
    return pattern


def leaves(shape: Any, path: str) -> set[str]:
    """Return the paths of all members that a shape can have."""
    if shape.type_name == "structure":
        inner = (leaves(member, f"{path}.{name}") for name, member in shape.members.items())
        return {path}.union(*inner)
    if shape.type_name == "list":
        return {path} | leaves(shape.member, f"{path}[]")
    return {path}


def test_every_member_of_every_answer_is_what_the_service_model_says(emulator: Emulator) -> None:
    """Over all targets and two clocks each member of the model occurs, and none other does."""
    shape = SHAPES.shape_for("ListImageBuildVersionsResponse")
    seen: set[str] = set()
    statuses: set[str] = set()
    for clock in (CLOCK, CLOCK + timedelta(days=40)):
        emulator.set_clock(clock)
        for account in (ACCOUNT, OTHER, THIRD):
            for region in (REGION, "us-west-2", "eu-west-1", "eu-central-1"):
                for page in pages(emulator, account=account, region=region, maxResults=100):
                    check(shape, page, "", seen)
                    statuses |= {build["state"]["status"] for build in page["imageSummaryList"]}
    # An AMI fails in its distribution; the other failure members belong to a build's own state.
    ami_only = ".imageSummaryList[].outputResources.amis[].state.failureContext."
    missing = {path for path in leaves(shape, "") - seen if not path.startswith(ami_only)}
    assert missing == set()
    assert {"AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED"} <= statuses


def test_every_owners_image_versions_and_their_builds_are_valid(emulator: Emulator) -> None:
    shape = SHAPES.shape_for("ListImagesResponse")
    build_shape = SHAPES.shape_for("ListImageBuildVersionsResponse")
    for owner in ("Self", "Amazon", "Shared", "ThirdParty", "AWSMarketplace"):
        images = []
        for page in pages(emulator, "/ListImages", owner=owner, maxResults=6):
            check(shape, page, "", set())
            images += page["imageVersionList"]
        assert images
        arn = images[-1]["arn"]
        found = list(pages(emulator, imageVersionArn=arn))
        check(build_shape, found[0], "", set())
        arns = [build["arn"] for build in found[0]["imageSummaryList"]]
        assert arns
        assert all(build_arn.startswith(f"{arn}/") for build_arn in arns)
    versions = {build["arn"].rpartition("/")[0] for build in builds(emulator)}
    listed = [
        image["arn"]
        for page in pages(emulator, "/ListImages", maxResults=7)
        for image in page["imageVersionList"]
    ]
    assert sorted(listed) == sorted(versions)
    (page,) = pages(emulator, "/ListImages", byName=True, maxResults=100)
    check(shape, page, "", set())
    assert len(page["imageVersionList"]) == len({build["name"] for build in builds(emulator)})


def test_the_fleet_has_what_real_fleets_have(emulator: Emulator) -> None:
    fleet = [
        build
        for account in (ACCOUNT, OTHER, THIRD)
        for region in (REGION, "us-west-2", "eu-west-1", "eu-central-1")
        for build in builds(emulator, account=account, region=region)
    ]
    assert {build["type"] for build in fleet} == {"AMI", "DOCKER"}
    assert {build["platform"] for build in fleet} == {"Linux", "Windows", "macOS"}
    assert {build["buildType"] for build in fleet} == {"SCHEDULED", "USER_INITIATED", "IMPORT"}
    assert any(build["version"].startswith("2025.") for build in fleet)
    assert any("tags" not in build for build in fleet)
    assert any("🚀" in build.get("tags", {}).get("Note", "") for build in fleet)
    minors = {(build["name"], build["version"].split(".")[1]) for build in fleet}
    assert any((name, "10") in minors for name, minor in minors if minor == "9")
    amis = [ami for build in fleet for ami in build.get("outputResources", {}).get("amis", ())]
    assert any(ami["state"]["status"] == "FAILED" for ami in amis)
    size = sum(len(json.dumps(build, separators=(",", ":"))) for build in fleet) / len(fleet)
    assert 900 < size < 1400


def test_the_same_seed_and_clock_give_the_same_bytes(emulator: Emulator) -> None:
    def bodies(served: Emulator) -> list[bytes]:
        first = post(served, maxResults=50)[1]
        token = json.loads(first)["nextToken"]
        return [first, post(served, maxResults=50, nextToken=token)[1]]

    with start(clock=CLOCK) as twin, start(clock=CLOCK, seed=2) as stranger:
        assert bodies(twin) == bodies(emulator)
        assert bodies(stranger) != bodies(emulator)
        twin.set_clock(CLOCK + timedelta(days=1))
        assert bodies(twin) != bodies(emulator)


def test_a_day_brings_new_builds_changes_and_deletions(emulator: Emulator) -> None:
    today = {build["arn"]: build for build in builds(emulator)}
    emulator.set_clock(CLOCK + timedelta(days=1))
    tomorrow = {build["arn"]: build for build in builds(emulator)}
    assert tomorrow.keys() - today.keys()
    assert today.keys() - tomorrow.keys()
    both = today.keys() & tomorrow.keys()
    changed = [arn for arn in both if today[arn]["state"] != tomorrow[arn]["state"]]
    assert 0 < len(changed) < len(both) / 4
    for arn in both:
        assert today[arn]["dateCreated"] == tomorrow[arn]["dateCreated"]


def test_a_build_passes_through_all_states_within_two_hours(emulator: Emulator) -> None:
    emulator.set_clock(CLOCK + timedelta(days=2))
    later = {build["arn"]: build for build in builds(emulator)}
    emulator.set_clock(CLOCK)
    known = {build["arn"] for build in builds(emulator)}
    build = next(
        build
        for arn, build in later.items()
        if arn not in known and build["state"]["status"] == "AVAILABLE"
    )
    created = datetime.fromisoformat(build["dateCreated"])
    states: list[str | None] = []
    version_arn = build["arn"].rpartition("/")[0]
    for minute in range(-1, 125):
        emulator.set_clock(created + timedelta(minutes=minute, seconds=30))
        now = {each["arn"]: each for each in builds(emulator, imageVersionArn=version_arn)}
        state = now[build["arn"]]["state"]["status"] if build["arn"] in now else None
        if not states or states[-1] != state:
            states.append(state)
    running = ["PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING"]
    assert states == [None, *running, "AVAILABLE"]


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


def test_a_fault_that_does_not_exist_is_named(emulator: Emulator) -> None:
    with pytest.raises(EmulatorError, match="fault 'trottle'"):
        emulator.set_faults("*", {"trottle": {"rate": 1}})
    with pytest.raises(EmulatorError, match="outcome '501'"):
        emulator.set_faults("*", {"errors": ["501"]})


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
