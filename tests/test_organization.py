"""Every account of an organization: found, left out, read by its role, each with what differs.

Organizations and EC2 are moto's server; STS, Account and Image Builder are the emulator.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from extract.emulator import Emulator
from extract.errors import TargetError
from extract.landing import Page
from extract.request import Request
from extract.sessions import Sessions
from extract.targets import Target, account_of_role, resolve_targets
from flows.loading import load_parameters
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.planning import scope_of, sessions_of
from flows.summary import exit_status
from lake.warehouse import connect
from tests.aws import endpoint, refusing
from tests.listing import listing
from tests.organizations import (
    EAST,
    MANAGEMENT,
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


# Which accounts


def test_every_active_account_is_read_by_the_role_of_that_name(organization: Organization) -> None:
    """Page by page; the management account, which is the caller's own, as the caller."""
    targets = resolve(regions=[EAST], organization_role="audit/imagelake")
    assert targets[0] == Target(MANAGEMENT, EAST)
    assert sorted(map(str, targets[1:])) == sorted(f"{a}/{EAST}" for a in organization.active)
    assert {t.role_arn for t in targets[1:]} == {
        role(account, "audit/imagelake") for account in organization.active
    }
    assert len(organization.moto.requests()) == 2
    asked = {call["operation"] for call in organization.emulator.requests()}
    assert asked == {"STS"}


def test_suspended_accounts_are_left_out(organization: Organization) -> None:
    listed = {target.account_id for target in resolve(regions=[EAST], organization_role="r")}
    assert listed == {MANAGEMENT, *organization.active}
    assert not listed & set(organization.suspended)


def test_a_delegated_administrator_reads_the_management_account_by_its_role(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the caller is read whoever calls, not whoever manages."""
    member = organization.active[0]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"AKIA{member}EMUL")
    roles = {t.account_id: t.role_arn for t in resolve(regions=[EAST], organization_role="r")}
    assert roles[member] is None
    assert roles[MANAGEMENT] == role(MANAGEMENT, "r")


def test_accounts_can_be_chosen_and_left_out(organization: Organization) -> None:
    """Leaving out wins over choosing."""
    one, two, three = organization.active[:3]
    chosen = resolve(
        regions=[EAST, WEST],
        organization_role="r",
        include_accounts=[one, two, three],
        exclude_accounts=[two],
    )
    assert sorted(map(str, chosen)) == sorted(
        f"{account}/{region}" for account in (one, three) for region in (EAST, WEST)
    )


def test_an_account_given_by_role_too_is_read_once_by_that_role(
    organization: Organization,
) -> None:
    given = role(organization.active[5], "special")
    targets = resolve(
        regions=[EAST], organization_role="imagelake", accounts=[account_of_role(given)]
    )
    assert targets[0] == Target(organization.active[5], EAST, given)
    assert len(targets) == 1 + len(organization.active)
    assert len(set(map(str, targets))) == len(targets)


def test_denied_list_accounts_is_one_line_that_says_what_to_grant(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(refusing("AccessDeniedException")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", url)
        with pytest.raises(TargetError) as caught:
            resolve(regions=[EAST], organization_role="r")
    assert not caught.value.is_usage
    assert str(caught.value) == (
        "cannot tell the organization's accounts (organizations:ListAccounts): "
        "AccessDeniedException on ListAccounts: No.; grant organizations:ListAccounts to the "
        "caller, in the management account or a delegated administrator's, or name the roles with "
        "--role-arn"
    )
    assert organization.moto.requests() == []


def test_a_caller_without_an_organization_is_told_so(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(refusing("AWSOrganizationsNotInUseException")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", url)
        with pytest.raises(TargetError, match="AWSOrganizationsNotInUseException on ListAccounts"):
            resolve(regions=[EAST], organization_role="r")
    assert organization.active


# Accounts with settings of their own


def test_each_table_of_the_file_is_an_account_with_its_own_settings(
    organization: Organization, tmp_path: Path
) -> None:
    """Its role's external id reaches AssumeRole, its regions replace those of all."""
    one, two, three = organization.active[:3]
    for account, external_id in ((one, "id-one"), (two, "id-two"), (three, "id-all")):
        organization.emulator.set_faults(f"{account}/*", {"external_id": external_id})
    file = tmp_path / "imagelake.toml"
    file.write_text(
        f'lake = "{tmp_path}/lake"\nwarehouse = "{tmp_path}/w.duckdb"\n'
        f'region = ["{EAST}"]\nexternal-id = "id-all"\nrole-arn = ["{role(three)}"]\n\n'
        f'[[accounts]]\nrole-arn = "{role(one)}"\nexternal-id = "id-one"\n\n'
        f'[[accounts]]\nrole-arn = "{role(two)}"\nexternal_id = "id-two"\n'
        f'region = ["{WEST}", "eu-west-1"]\n'
    )
    summary = take_snapshot(load_parameters(SnapshotParameters, {}, file, {}))
    assert ended(summary) == [
        (f"{three}/{EAST}", "complete", None),
        (f"{one}/{EAST}", "complete", None),
        (f"{two}/{WEST}", "complete", None),
        (f"{two}/eu-west-1", "complete", None),
    ]


def test_an_external_id_of_another_role_opens_nothing(organization: Organization) -> None:
    """The ids are not mixed up: each account is asked with its own alone."""
    one, two = organization.active[:2]
    organization.emulator.set_faults(f"{one}/*", {"external_id": "id-one"})
    organization.emulator.set_faults(f"{two}/*", {"external_id": "id-two"})
    sessions = Sessions("id-two", {role(one): "id-one"})
    assert [identity(sessions, role(account)) for account in (one, two)] == [
        f"arn:aws:sts::{account}:assumed-role/imagelake/imagelake" for account in (one, two)
    ]
    with pytest.raises(Exception, match="not authorized to perform: sts:AssumeRole"):
        identity(Sessions("id-one", {role(one): "id-two"}), role(one))


def identity(sessions: Sessions, role_arn: str) -> str:
    """Who a role's session is, as STS tells it; its last part is the session's name."""
    arn: str = sessions.client("sts", EAST, role_arn).get_caller_identity()["Arn"]
    return arn


def test_the_role_sessions_name_is_imagelake(organization: Organization) -> None:
    """What an auditor of the member account sees."""
    assert identity(Sessions(), role(organization.active[0])).rpartition("/")[2] == "imagelake"


# One snapshot of it all


def test_an_organization_is_one_snapshot(
    organization: Organization, parameters: Callable[..., SnapshotParameters]
) -> None:
    """One account denies the role: the others are read whole."""
    chosen = [MANAGEMENT, *organization.active[:20]]
    denied = organization.active[10]
    organization.emulator.set_faults(f"{denied}/*", {"sts_denied": True})
    given = parameters(region=[EAST], organization_role="imagelake", include_account=chosen)
    summary = take_snapshot(given)
    assert exit_status(summary) == 3
    unread = [t.outcome for t in summary.unread]
    assert [(str(o), o.status, o.error_code) for o in unread] == [
        (f"{denied}/{EAST}", "failed", "AccessDenied")
    ]
    with connect(given.warehouse) as warehouse:
        query = "select distinct account_id, split_part(arn, ':', 5) from image_builds order by 1"
        rows = warehouse.execute(query).fetchall()
    read = sorted({*chosen} - {denied})
    assert rows == [(account, account) for account in read]


# Credentials that end

LIFETIME_SECONDS = 900.7
"""Of the shortened sessions: botocore renews those with less than 15 minutes left."""


def shortening(emulator: Emulator) -> Callable[..., tuple[int, bytes]]:
    """STS by the emulator, whose sessions are said to end 15 minutes and a moment from now."""

    def answer(path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        request = HttpRequest(emulator.url + path, body, headers, method="POST")  # noqa: S310 - the emulator's address
        with urlopen(request, timeout=10) as answered:  # noqa: S310 - the emulator's address
            content: bytes = answered.read()
        end = f"{datetime.now(UTC) + timedelta(seconds=LIFETIME_SECONDS):%Y-%m-%dT%H:%M:%S.%fZ}"
        expiration = f"<Expiration>{end}</Expiration>".encode()
        return 200, re.sub(rb"<Expiration>.*</Expiration>", expiration, content)

    return answer


def test_a_roles_credentials_are_renewed_in_the_middle_of_a_listing(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that outlasts its session goes on with new credentials, and asks no page twice."""
    account = organization.active[0]
    organization.emulator.set_faults(f"{account}/{EAST}", {"latency_ms": 100})
    with endpoint(shortening(organization.emulator)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        pages: list[Page] = []
        target = Target(account, EAST, role(account))
        asked = listing(pages.append, Request(page_size=2), target, Sessions())
        while asked.step() is not None:
            pass
    asked.close()
    calls = [c for c in organization.emulator.requests() if c["operation"] != "STS"]
    assert (asked.outcome.status, asked.outcome.requests) == ("complete", len(pages))
    assert [call["page"] for call in calls] == list(range(len(pages)))
    keys = [call["access_key_id"] for call in calls]
    assert 2 <= len(set(keys)) < len(keys)
    assert keys == sorted(keys, key=keys.index)  # one after the other


def test_the_parameters_and_the_plan_say_the_same(
    organization: Organization, parameters: Callable[..., SnapshotParameters]
) -> None:
    """The options of a run are the scope that is resolved."""
    one, two = organization.active[:2]
    given = parameters(
        region=[EAST, WEST],
        organization_role="imagelake",
        include_account=[one, two],
        exclude_account=[two],
        exclude_region=[WEST],
    )
    assert resolve_targets(sessions_of(given), scope_of(given)) == [Target(one, EAST, role(one))]
