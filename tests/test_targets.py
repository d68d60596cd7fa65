"""Targets: accounts by regions, the roles to read them with, and a line for whoever must mend them."""

import json
from collections.abc import Iterator

import pytest

from extract.emulator import Emulator
from extract.landing import Page
from extract.request import Request
from extract.schedule import run_listings
from extract.sessions import Sessions
from extract.targets import Target, account_of_role
from tests.aws import answering
from tests.listing import ACCOUNT, REGION, counted_arns, listing
from tests.scopes import OTHER, refusal, resolve, role, targets

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
