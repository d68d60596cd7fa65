"""Targets that cannot be told, and why: the setting, the credentials, a refusal, or no AWS at all."""

import time

import pytest

from extract.emulator import Emulator
from extract.errors import TargetError
from extract.request import Request
from extract.sessions import Sessions
from extract.targets import Scope, resolve_targets
from tests.aws import answering
from tests.listing import ACCOUNT, REGION, listing
from tests.scopes import OTHER, refusal, resolve, role, targets

# What cannot be told


@pytest.mark.parametrize(
    "arn",
    [
        "imagelake",
        "",
        "arn:aws:iam::1234:role/imagelake",
        "arn:aws:iam::123456789012:user/imagelake",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:sts::123456789012:assumed-role/imagelake/session",
        "arn:aws:iam::123456789012:role/imagelake\n",
    ],
)
@pytest.mark.usefixtures("emulator")
def test_what_is_no_roles_arn_is_a_usage_error(arn: str) -> None:
    message, is_usage = refusal("us-east-1", roles=(arn,))
    assert is_usage
    assert message == (
        f"--role-arn {arn!r}: not a role's ARN; expected arn:aws:iam::123456789012:role/NAME"
    )


@pytest.mark.parametrize(
    ("region", "hint"),
    [
        ("eu-cental-1", "did you mean eu-central-1?"),
        ("eu-west-", "did you mean eu-west-"),
        ("atlantis", "`--region all` lists every enabled one"),
        ("", "`--region all` lists every enabled one"),
    ],
)
def test_an_unknown_region_is_a_usage_error(emulator: Emulator, region: str, hint: str) -> None:
    """It is named with the nearest known one, before anything is asked."""
    message, is_usage = refusal("us-east-1", region)
    assert is_usage
    assert message.startswith(f"--region {region!r}: not a region")
    assert hint in message
    assert emulator.requests() == []


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "eusc-de-east-1"])
def test_regions_of_every_partition_are_known(region: str) -> None:
    assert region in Sessions().known_regions


def test_no_region_anywhere_is_a_usage_error(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert emulator.url
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    message, is_usage = refusal()
    assert is_usage
    assert message == "no region: give --region, or set AWS_REGION or the profile's region"


@pytest.mark.parametrize("roles", [(), (role(),)], ids=["own account", "by role"])
def test_missing_credentials_are_a_usage_error(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, roles: tuple[str, ...]
) -> None:
    """The line says how to sign in; nothing is asked without credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    message, is_usage = refusal("all", roles=roles)
    assert is_usage
    assert "no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID" in message
    assert emulator.requests() == []


@pytest.mark.usefixtures("emulator")
def test_a_profile_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    message, is_usage = refusal("us-east-1")
    assert is_usage
    assert message == "AWS_PROFILE: The config profile (nobody) could not be found"


def sts_error(code: str) -> str:
    return (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>"
    )


REGIONS_XML = (
    '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><regionInfo>'
    "<item><regionName>us-west-2</regionName></item><item><regionName>eu-west-1</regionName></item>"
    "</regionInfo></DescribeRegionsResponse>"
)
DENIED_XML = (
    "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>No.</Message></Error>"
    "</Errors></Response>"
)


def test_denied_list_regions_are_asked_of_ec2(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.set_faults(f"{ACCOUNT}/*", {"list_regions_denied": True})
    with answering(200, REGIONS_XML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", url)
        assert resolve("all") == [f"{ACCOUNT}/eu-west-1", f"{ACCOUNT}/us-west-2"]


def test_regions_that_nobody_tells_are_no_usage_error(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS refuses, so the line says what was refused."""
    emulator.set_faults(f"{ACCOUNT}/*", {"list_regions_denied": True})
    with answering(403, DENIED_XML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", url)
        message, is_usage = refusal("all")
    assert not is_usage
    assert message.startswith(
        f"{ACCOUNT}/all: cannot tell which regions are enabled: UnauthorizedOperation on"
    )


def test_an_account_whose_role_is_denied_is_a_failed_target(emulator: Emulator) -> None:
    """The others are read; it is in the snapshot with the refusal, and nothing more is asked of it."""
    emulator.set_faults(f"{OTHER}/*", {"sts_denied": True})
    resolved = targets("all", roles=(role(OTHER), role("333344445555")))
    denied = resolved[0]
    assert [str(target) for target in resolved[1:]] == [
        f"333344445555/{r}" for r in ("eu-central-1", "eu-west-1", "us-east-1", "us-west-2")
    ]
    asked = listing(lambda _: None, Request(), denied)
    emulator.clear_requests()
    asked.go_on([])
    assert asked.step() is None
    outcome = asked.outcome
    assert (str(outcome), outcome.status, outcome.error_code) == (
        f"{OTHER}/all",
        "failed",
        "AccessDenied",
    )
    assert "AccessDenied on AssumeRole" in str(outcome.error_message)
    assert emulator.requests() == []


# Credentials


@pytest.mark.usefixtures("emulator")
def test_expired_credentials_are_to_be_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with the settings: it works again after signing in."""
    with answering(403, sts_error("ExpiredToken")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        message, is_usage = refusal("us-east-1")
    assert not is_usage
    assert message == (
        "ExpiredToken on GetCallerIdentity: No.; the credentials have expired: renew them (for SSO: "
        "`aws sso login`) and run again"
    )


@pytest.mark.usefixtures("emulator")
def test_refused_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(403, sts_error("InvalidClientTokenId")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        message, is_usage = refusal("us-east-1")
    assert not is_usage
    assert message.startswith("cannot tell who the caller is: InvalidClientTokenId on")


@pytest.mark.usefixtures("emulator")
def test_an_endpoint_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setattr("extract.sessions._MOST_ATTEMPTS", 2)
    message, is_usage = refusal("us-east-1")
    assert not is_usage
    assert "http://127.0.0.1:9" in message


# What is not AWS's


@pytest.mark.parametrize("service", ["sts", "list_regions"])
def test_a_proxys_page_is_no_answer(emulator: Emulator, service: str) -> None:
    """With status 200: botocore trips over it, or takes it for an answer without members."""
    emulator.set_faults(f"{ACCOUNT}/*", {service: {"always": "html_200"}})
    operation = {"sts": "GetCallerIdentity", "list_regions": "ListRegions"}[service]
    regions = {"sts": REGION, "list_regions": "all"}[service]
    message, is_usage = refusal(regions)
    assert f"what answered {operation} is not AWS, a proxy?: '<html>" in message
    assert not is_usage


def test_a_sign_in_that_hangs_takes_no_longer_than_a_call_may(emulator: Emulator) -> None:
    """All its attempts together."""
    emulator.set_faults(f"{ACCOUNT}/*", {"sts": {"always": "hang:30"}})
    began_at = time.monotonic()
    with pytest.raises(TargetError, match="Read timeout"):
        resolve_targets(Sessions(read_timeout=1.0), Scope(regions=[REGION]))
    assert 1 <= time.monotonic() - began_at < 4
