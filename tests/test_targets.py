"""Targets: accounts by regions, the roles to read them with, and a line for whoever must mend them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.errors import TargetError
from extract.landing import Page
from extract.request import Request
from extract.schedule import run_listings
from extract.sessions import Sessions
from extract.targets import Scope, Target, account_of_role, resolve_targets
from tests.listing import ACCOUNT, REGION, counted_arns, listing

OTHER = "222233334444"


def role(account: str = OTHER, partition: str = "aws") -> str:
    return f"arn:{partition}:iam::{account}:role/imagelake"


def targets(*regions: str, roles: tuple[str, ...] = (), **more: Any) -> list[Target]:
    accounts = [account_of_role(arn) for arn in roles]
    return resolve_targets(Sessions(), Scope(regions=regions, accounts=accounts, **more))


def resolve(*regions: str, roles: tuple[str, ...] = (), **more: Any) -> list[str]:
    return [str(target) for target in targets(*regions, roles=roles, **more)]


def refusal(*regions: str, roles: tuple[str, ...] = (), **more: Any) -> tuple[str, bool]:
    """What is said of targets that cannot be told, and whether the user's setting is to blame."""
    with pytest.raises(TargetError) as caught:
        targets(*regions, roles=roles, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message, caught.value.is_usage


# Which targets there are


@pytest.mark.usefixtures("emulator")
def test_the_callers_own_account_and_region_are_the_default() -> None:
    assert resolve() == [f"{ACCOUNT}/{REGION}"]


@pytest.mark.usefixtures("emulator")
def test_every_account_is_combined_with_every_region() -> None:
    roles = (role(OTHER), role("333344445555"))
    assert resolve("us-west-2", "eu-west-1", roles=roles) == [
        "222233334444/us-west-2",
        "222233334444/eu-west-1",
        "333344445555/us-west-2",
        "333344445555/eu-west-1",
    ]


@pytest.mark.usefixtures("emulator")
def test_a_target_that_is_named_twice_is_one() -> None:
    assert resolve("eu-west-1", "eu-west-1", roles=(role(), role())) == [f"{OTHER}/eu-west-1"]


@pytest.mark.usefixtures("emulator")
def test_a_target_knows_its_role() -> None:
    assert targets("eu-west-1", roles=(role(),)) == [Target(OTHER, "eu-west-1", role())]


def test_all_regions_are_the_enabled_ones(emulator: Emulator) -> None:
    """By account:ListRegions: a region that the account has not opted in to is not among them."""
    emulator.set_faults("*/us-west-2", {"region_disabled": True})
    assert resolve("all") == [f"{ACCOUNT}/{r}" for r in ("eu-central-1", "eu-west-1", "us-east-1")]
    assert [call["operation"] for call in emulator.requests()] == ["STS", "ListRegions"]


def test_all_regions_are_each_accounts_own(emulator: Emulator) -> None:
    emulator.set_faults(f"{OTHER}/us-west-2", {"region_disabled": True})
    resolved = resolve("all", roles=(role(OTHER), role("333344445555")))
    assert f"{OTHER}/us-west-2" not in resolved
    assert "333344445555/us-west-2" in resolved
    assert len(resolved) == 3 + 4


@pytest.mark.usefixtures("emulator")
def test_a_region_named_beside_all_is_not_read_twice() -> None:
    assert resolve("all", "us-east-1") == resolve("all")


def test_no_call_is_made_where_role_and_region_are_named(emulator: Emulator) -> None:
    """A denied home account or a denied us-east-1 stands in nobody's way."""
    resolve("eu-west-1", roles=(role(),))
    assert emulator.requests() == []


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        ("arn:aws:iam::123456789012:role/imagelake", "123456789012"),
        ("arn:aws-cn:iam::123456789012:role/path/to/imagelake", "123456789012"),
        ("arn:aws-us-gov:iam::000000000001:role/x", "000000000001"),
    ],
)
def test_a_roles_account_is_read_off_its_arn(arn: str, account: str) -> None:
    assert account_of_role(arn).account_id == account


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


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """An endpoint that gives every request the same answer; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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


# The organization's accounts


def organization(*accounts: tuple[str, str]) -> str:
    return json.dumps(
        {
            "Accounts": [
                {
                    "Id": account,
                    "Arn": f"arn:aws:organizations::{ACCOUNT}:account/o-1/{account}",
                    "Status": status,
                }
                for account, status in accounts
            ]
        }
    )


@pytest.fixture
def _organization(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert emulator.url
    accounts = [(ACCOUNT, "ACTIVE"), (OTHER, "ACTIVE"), ("999999999999", "SUSPENDED")]
    with answering(200, organization(*accounts)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", url)
        yield


@pytest.mark.usefixtures("_organization")
def test_every_active_account_of_the_organization_is_read_by_its_role() -> None:
    """The caller's own account as the caller, which needs no role there."""
    assert targets("eu-west-1", organization_role="imagelake") == [
        Target(ACCOUNT, "eu-west-1"),
        Target(OTHER, "eu-west-1", role(OTHER)),
    ]


@pytest.mark.usefixtures("_organization")
def test_accounts_and_regions_can_be_left_out() -> None:
    without = {"exclude_accounts": (ACCOUNT,), "exclude_regions": ("us-west-2", "us-east-1")}
    assert resolve("all", organization_role="imagelake", **without) == [
        f"{OTHER}/eu-central-1",
        f"{OTHER}/eu-west-1",
    ]


@pytest.mark.usefixtures("_organization")
def test_leaving_everything_out_is_a_usage_error() -> None:
    message, is_usage = refusal("eu-west-1", organization_role="x", include_accounts=("1" * 12,))
    assert is_usage
    assert message.startswith("no target is left")


@pytest.mark.usefixtures("emulator")
def test_denied_list_accounts_is_no_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = json.dumps({"__type": "AccessDeniedException", "Message": "No."})
    with answering(400, denied) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", url)
        message, is_usage = refusal("eu-west-1", organization_role="imagelake")
    assert not is_usage
    assert message.startswith(
        "cannot tell the organization's accounts (organizations:ListAccounts): AccessDeniedException"
    )


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
    message, is_usage = refusal("us-east-1")
    assert not is_usage
    assert "http://127.0.0.1:9" in message


# Reading by a role


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")],
)
def test_a_role_is_assumed_in_its_own_partition(
    monkeypatch: pytest.MonkeyPatch, partition: str, region: str
) -> None:
    """Where the session names no region; GovCloud and China have an STS of their own."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert Sessions().home_region(role(partition=partition)) == region


def by_role(account: str) -> Target:
    return Target(account, REGION, f"arn:aws:iam::{account}:role/imagelake")


def test_each_account_is_read_by_its_own_role(emulator: Emulator) -> None:
    pages: list[Page] = []
    sessions = Sessions()
    listings = [
        listing(pages.append, Request(), by_role(account), sessions)
        for account in emulator.accounts
    ]
    outcomes = run_listings(listings, concurrency=2)
    assert {outcome.status for outcome in outcomes} == {"complete"}
    read = {(page.account_id, arn.split(":")[4]) for page in pages for arn in counted_arns(page)}
    assert read == {(account, account) for account in emulator.accounts}


def test_a_denied_role_fails_its_target_alone(emulator: Emulator) -> None:
    emulator.set_faults("222233334444/*", {"sts_denied": True})
    sessions = Sessions()
    listings = [
        listing(lambda _: None, Request(), by_role(account), sessions)
        for account in emulator.accounts
    ]
    denied = run_listings(listings, concurrency=1)
    assert [(o.status, o.error_code) for o in denied] == [
        ("complete", None),
        ("failed", "AccessDenied"),
        ("complete", None),
    ]
    message = str(denied[1].error_message)
    assert "AccessDenied on AssumeRole" in message
    assert "allow it in the role's trust policy" in message


@pytest.mark.parametrize(
    ("external_id", "status"), [("s3cret", "complete"), ("wrong", "failed"), (None, "failed")]
)
def test_an_external_id_is_handed_to_the_role(
    emulator: Emulator, external_id: str | None, status: str
) -> None:
    emulator.set_faults("222233334444/*", {"external_id": "s3cret"})
    sessions = Sessions(external_id)
    asked = listing(lambda _: None, Request(), by_role("222233334444"), sessions)
    while asked.step() is not None:
        pass
    assert asked.outcome.status == status
    assert "s3cret" not in repr(sessions)


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
