"""An organization's accounts: the partition that they are in, the regions of each, who tells them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract.errors import TargetError
from extract.targets import Target, account_of_role
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.summary import exit_status
from lake.warehouse import connect
from tests.aws import Moto, endpoint, moto_server, refusing
from tests.organizations import (
    EAST,
    MANAGEMENT,
    REGIONS,
    WEST,
    Organization,
    ended,
    organization,
    resolve,
    role,
    running,
)

__all__ = ["organization", "running"]  # fixtures are used by their names

pytestmark = pytest.mark.usefixtures("at_once")


def signed_regions(moto: Moto) -> list[str]:
    """The regions that the recorded requests were signed for."""
    return [request["authorization"].split("/")[2] for request in moto.requests()]


# Partitions


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_the_organizations_partition_is_its_roles(
    tmp_path: Path,
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
    partition: str,
    region: str,
) -> None:
    """By the ARNs that ListAccounts gives; the request is signed within the partition."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    with moto_server(tmp_path, MANAGEMENT) as moto:
        client = moto.client("organizations", region)
        client.create_organization(FeatureSet="ALL")
        created = client.create_account(Email="a@example.com", AccountName="a")
        member = created["CreateAccountStatus"]["AccountId"]
        moto.record()
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", moto.url)
        assert resolve(organization_role="imagelake") == [
            Target(MANAGEMENT, region),
            Target(member, region, role(member, partition=partition)),
        ]
        assert {signed.rsplit("-", 2)[0] for signed in signed_regions(moto)} == {
            region.rsplit("-", 2)[0]
        }
    assert organization.moto.requests() == []


@pytest.mark.parametrize(
    ("partition", "home"),
    [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")],
)
def test_a_given_roles_partition_tells_where_its_regions_are_asked(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, partition: str, home: str
) -> None:
    """Without a region of the session: STS and ListRegions in the partition's own home."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    given = role(organization.active[0], partition=partition)
    targets = resolve(regions=["all"], accounts=[account_of_role(given)])
    assert [(t.region, t.role_arn) for t in targets] == [(r, given) for r in sorted(REGIONS)]
    asked = [(call["operation"], call["region"]) for call in organization.emulator.requests()]
    assert asked[0] == ("STS", home)
    assert asked[1][0] == "ListRegions"
    assert asked[1][1].rsplit("-", 2)[0] == home.rsplit("-", 2)[0]


# Which regions


def test_all_regions_are_asked_of_each_account(organization: Organization) -> None:
    one, two = organization.active[:2]
    organization.emulator.set_faults(f"{two}/{WEST}", {"region_disabled": True})
    targets = resolve(
        regions=["all"],
        exclude_regions=["eu-west-1"],
        organization_role="imagelake",
        include_accounts=[one, two],
    )
    assert sorted(map(str, targets)) == sorted([f"{one}/{EAST}", f"{one}/{WEST}", f"{two}/{EAST}"])


def test_without_another_region_the_one_of_the_variable_is_the_sessions(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_REGION, which boto3 alone of the SDKs does not know, gives way to what boto3 knows."""
    monkeypatch.setenv("AWS_REGION", WEST)
    assert resolve() == [Target(MANAGEMENT, EAST)]
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert resolve() == [Target(MANAGEMENT, WEST)]
    assert {call["region"] for call in organization.emulator.requests()} == {EAST, WEST}


def test_where_list_regions_is_denied_ec2_is_asked_in_the_sessions_region(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in us-east-1, which a policy may deny; moto enables the regions that need no opt-in."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    organization.emulator.set_faults("*", {"list_regions_denied": True})
    account = organization.active[0]
    targets = resolve(regions=["all"], accounts=[account_of_role(role(account))])
    described = organization.moto.client("ec2").describe_regions()["Regions"]
    assert [t.region for t in targets] == sorted(region["RegionName"] for region in described)
    assert len(targets) > 10
    assert signed_regions(organization.moto)[0] == "eu-west-1"
    asked = {call["region"] for call in organization.emulator.requests()}
    assert asked == {"eu-west-1"}


def test_an_account_whose_regions_nobody_tells_is_one_failed_target(
    organization: Organization,
    parameters: Callable[..., SnapshotParameters],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`ACCOUNT/all`, which says what to grant; the other accounts are read."""
    one, two = organization.active[:2]
    organization.emulator.set_faults(f"{one}/*", {"list_regions_denied": True})
    given = parameters(
        region=["all"], organization_role="imagelake", include_account=[one, two, MANAGEMENT]
    )
    with endpoint(refusing("UnauthorizedOperation")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", url)
        summary = take_snapshot(given)
    assert exit_status(summary) == 3
    read = [(f"{account}/{region}", "complete", None) for account in (MANAGEMENT, two)
            for region in REGIONS]  # fmt: skip
    denied = (f"{one}/all", "failed", "UnauthorizedOperation")
    assert sorted(ended(summary)) == sorted([*read, denied])
    with connect(given.warehouse) as warehouse:
        query = "select account_id, error_message from snapshot_targets where region = 'all'"
        assert warehouse.execute(query).fetchall() == [
            (
                one,
                "cannot tell which regions are enabled: UnauthorizedOperation on DescribeRegions: "
                "No.; grant account:ListRegions or ec2:DescribeRegions to the role or name the "
                "regions with --region",
            )
        ]


@pytest.mark.parametrize(
    "without",
    [
        {"exclude_region": [EAST]},
        {"include_account": ["999999999999"]},
        {"exclude_account": [MANAGEMENT], "include_account": [MANAGEMENT]},
    ],
    ids=str,
)
def test_where_nothing_is_left_the_mistake_is_named(
    organization: Organization,
    parameters: Callable[..., SnapshotParameters],
    without: dict[str, Any],
) -> None:
    """A usage error, before anything is written or read."""
    given = parameters(region=[EAST], organization_role="imagelake", **without)
    with pytest.raises(TargetError) as caught:
        take_snapshot(given)
    assert caught.value.is_usage
    assert str(caught.value) == (
        "no target is left: --exclude-account, --include-account and --exclude-region leave "
        "nothing to read"
    )
    assert not Path(given.lake).exists()
    assert {call["operation"] for call in organization.emulator.requests()} == {"STS"}
