"""`imagelake check`: what can be read, what cannot and what to grant, with nothing written."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from extract.asks import LIST_BUILDS, LIST_IMAGES
from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.cli import main
from tests.aws import endpoint, refusing

HOME, OTHER, THIRD = ACCOUNTS
EAST, WEST, IRELAND, FRANKFURT = REGIONS


def _without_padding(table: str) -> str:
    return re.sub("  +", " ", table)


@dataclass(frozen=True)
class Ended:
    """How the command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


Check = Callable[..., Ended]


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Check]:
    """Runs the command line in an empty folder; whatever it finds, the folder stays empty."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["imagelake", "check", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), _without_padding(said.out), said.err)

    yield run
    assert list(tmp_path.iterdir()) == []


def role(account: str) -> str:
    return f"arn:aws:iam::{account}:role/imagelake"


def regions(*names: str) -> list[str]:
    return [part for name in names for part in ("--region", name)]


def test_what_can_be_read_is_said_after_one_small_call_each(
    check: Check, emulator: Emulator
) -> None:
    ended = check(*regions(EAST, WEST))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "target result",
        f"{HOME}/{EAST} can be read",
        f"{HOME}/{WEST} can be read",
        "2 of 2 targets can be read; nothing was written",
    ]
    calls = [call for call in emulator.requests() if call["operation"] == LIST_BUILDS]
    assert sorted((call["region"], call["max_results"]) for call in calls) == [(EAST, 1), (WEST, 1)]


def test_what_cannot_be_read_comes_first_with_what_to_grant(
    check: Check, emulator: Emulator
) -> None:
    """Every denial by its own remedy; a region that is not enabled is skipped and no failure."""
    emulator.set_faults(f"{OTHER}/*", {"sts_denied": True})
    emulator.set_faults(f"{HOME}/{WEST}", {"always": "forbidden"})
    emulator.set_faults(f"{HOME}/{IRELAND}", {"always": "access_denied"})
    emulator.set_faults(f"{HOME}/{FRANKFURT}", {"region_disabled": True})
    ended = check(*regions(*REGIONS), "--role-arn", role(HOME), "--role-arn", role(OTHER))
    assert ended.returncode == 1
    header, *denied = ended.stdout.splitlines()
    assert header == "target result"
    names = [f"{HOME}/{IRELAND}", f"{HOME}/{WEST}", *sorted(f"{OTHER}/{r}" for r in REGIONS)]
    names = [f"{name} cannot be read" for name in sorted(names)]
    names += [f"{HOME}/{FRANKFURT} is skipped", f"{HOME}/{EAST} can be read"]
    assert [line.partition(":")[0] for line in denied[:-1]] == names
    assert denied[-1] == "1 of 8 targets can be read; nothing was written"
    remedies = {line.partition(":")[0]: line.rpartition("; ")[2] for line in denied}
    grant = "grant imagebuilder:ListImageBuildVersions to the role or leave the region out"
    trust = "allow it in the role's trust policy (and give its external id) or drop the account"
    policy = "a service control policy denies it: leave the region out or have the policy changed"
    assert remedies[f"{HOME}/{WEST} cannot be read"] == grant
    assert remedies[f"{HOME}/{IRELAND} cannot be read"] == policy
    assert remedies[f"{OTHER}/{EAST} cannot be read"] == trust
    assert "enable it or leave it out" in remedies[f"{HOME}/{FRANKFURT} is skipped"]


def test_an_empty_region_can_be_read(check: Check, emulator: Emulator) -> None:
    emulator.set_faults("*", {"empty": True})
    ended = check(*regions(EAST))
    assert (ended.returncode, ended.stdout.splitlines()[1]) == (0, f"{HOME}/{EAST} can be read")


def test_a_wrong_external_id_is_found_before_the_first_run(
    check: Check, emulator: Emulator
) -> None:
    emulator.set_faults(f"{OTHER}/*", {"external_id": "right"})
    one = (*regions(EAST), "--role-arn", role(OTHER), "--external-id")
    wrong, right = check(*one, "wrong"), check(*one, "right")
    assert (wrong.returncode, right.returncode) == (1, 0)
    assert "AccessDenied on AssumeRole" in wrong.stdout
    assert "(and give its external id)" in wrong.stdout
    assert "wrong" not in wrong.stdout.partition("AssumeRole")[2]


def test_each_owner_is_tried(check: Check, emulator: Emulator) -> None:
    """Other owners' images are listed by another action, which needs a grant of its own."""
    emulator.set_faults("*", {"always": "forbidden"})
    ended = check(*regions(EAST), "--owner", "Amazon")
    assert ended.returncode == 1
    assert "grant imagebuilder:ListImages to the role" in ended.stdout
    asked = {call["operation"] for call in emulator.requests()} - {"STS"}
    assert asked == {LIST_IMAGES}


def test_regions_that_cannot_be_told_are_found(
    check: Check, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One account's regions are denied by both services that know them; the other is tried."""
    emulator.set_faults(f"{OTHER}/*", {"list_regions_denied": True})
    with endpoint(refusing("UnauthorizedOperation")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", url)
        ended = check("--region", "all", "--role-arn", role(OTHER), "--role-arn", role(THIRD))
    assert ended.returncode == 1
    _, first, *others, last = ended.stdout.splitlines()
    assert first == (
        f"{OTHER}/all cannot be read: cannot tell which regions are enabled: UnauthorizedOperation "
        "on DescribeRegions: No.; grant account:ListRegions or ec2:DescribeRegions to the role or "
        "name the regions with --region"
    )
    assert others == [f"{THIRD}/{region} can be read" for region in sorted(REGIONS)]
    assert last == "4 of 5 targets can be read; nothing was written"


def test_a_denied_organization_is_one_line(
    check: Check, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(refusing("AccessDeniedException")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", url)
        ended = check(*regions(EAST), "--organization-role", "imagelake")
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("imagelake: cannot tell the organization's accounts")
    assert "grant organizations:ListAccounts to the caller" in line
    assert emulator.requests()


def test_a_mistake_is_a_usage_error(check: Check, emulator: Emulator) -> None:
    ended = check("--region", "eu-west-7")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("imagelake: --region 'eu-west-7': not a region")
    assert emulator.requests() == []


def test_the_demonstration_can_be_tried_without_an_account(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    ended = check("--demo")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "12 of 12 targets can be read; nothing was written"
