"""An organization of more accounts than a page holds: moto's, its members emulated."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.sessions import Sessions
from extract.targets import Scope, Target, resolve_targets
from flows.pipeline import Summary
from tests.aws import Moto, moto_server
from tests.conftest import CLOCK

MANAGEMENT = "111122223333"
EAST, WEST = "us-east-1", "us-west-2"
REGIONS = (EAST, WEST, "eu-west-1")
MEMBERS = 104
"""With the management account more than moto's page of 100."""
SUSPENDED = 3


@dataclass(frozen=True)
class Organization:
    """Its services, and the ids of its member accounts."""

    moto: Moto
    emulator: Emulator
    active: list[str]
    suspended: list[str]


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, start_emulator: Callable[..., Emulator]
) -> Iterator[Organization]:
    with moto_server(tmp_path_factory.mktemp("moto"), MANAGEMENT) as moto:
        client = moto.client("organizations")
        client.create_organization(FeatureSet="ALL")
        members = [
            client.create_account(Email=f"{n}@example.com", AccountName=f"member {n}")[
                "CreateAccountStatus"
            ]["AccountId"]
            for n in range(MEMBERS)
        ]
        for account in members[:SUSPENDED]:
            client.close_account(AccountId=account)
        emulator = start_emulator(
            accounts=(MANAGEMENT, *members), regions=REGIONS, builds=12, clock=CLOCK
        )
        yield Organization(moto, emulator, members[SUSPENDED:], members[:SUSPENDED])


@pytest.fixture
def organization(running: Organization, monkeypatch: pytest.MonkeyPatch) -> Organization:
    """The AWS chain points at its services, which are as they were at the start."""
    running.emulator.clear_faults()
    running.emulator.clear_requests()
    running.moto.record()
    for name, value in running.emulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", running.moto.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", running.moto.url)
    return running


def role(account: str, name: str = "imagelake", partition: str = "aws") -> str:
    return f"arn:{partition}:iam::{account}:role/{name}"


def resolve(**scope: Any) -> list[Target]:
    return resolve_targets(Sessions(), Scope(**scope))


def ended(summary: Summary) -> list[tuple[str, str, str | None]]:
    outcomes = [target.outcome for target in summary.targets]
    return [(str(outcome), outcome.status, outcome.error_code) for outcome in outcomes]
