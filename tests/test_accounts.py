"""Which accounts are asked: the active ones of an organization, and each that is given, once."""

import pytest

from extract.emulator import Emulator
from extract.errors import TargetError
from extract.targets import Target, account_of_role
from tests.endpoint import answering
from tests.organizations import EAST, MANAGEMENT, WEST, resolve, role


@pytest.mark.parametrize("member", ["State", "Status"])
def test_whether_an_account_is_active_is_told_by_one_member_or_the_other(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """`Status` is retired. One of which neither is told is asked: none is left out unseen."""
    told = {"1" * 12: "ACTIVE", "2" * 12: "SUSPENDED", "3" * 12: None, MANAGEMENT: "ACTIVE"}
    listed = [
        {"Id": account, "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-1/{account}"}
        | ({member: value} if value else {})
        for account, value in told.items()
    ]
    with answering({"Accounts": listed}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", url)
        targets = resolve(regions=[EAST], organization_role="r")
    assert [target.account_id for target in targets] == ["1" * 12, "3" * 12, MANAGEMENT]
    assert {call["operation"] for call in emulator.requests()} == {"STS"}


@pytest.mark.parametrize(
    ("accounts", "how"),
    [
        (
            [(role(MANAGEMENT, "a"), None), (role(MANAGEMENT, "b"), None)],
            f"by {role(MANAGEMENT, 'a')} and by {role(MANAGEMENT, 'b')}",
        ),
        (
            [(role(MANAGEMENT), None), (role(MANAGEMENT), [WEST])],
            f"by {role(MANAGEMENT)} and by {role(MANAGEMENT)} for {WEST}",
        ),
    ],
)
def test_an_account_that_is_given_in_two_ways_is_refused(
    accounts: list[tuple[str, list[str] | None]], how: str
) -> None:
    """Of the two one would be left out, its regions with it."""
    with pytest.raises(TargetError) as caught:
        resolve(regions=[EAST], accounts=[account_of_role(*account) for account in accounts])
    assert caught.value.is_usage
    assert str(caught.value) == (
        f"--role-arn, [[accounts]]: {MANAGEMENT} is given twice, {how}: give an account once, with one "
        "role and all its regions"
    )


def test_a_role_that_is_given_twice_alike_is_one() -> None:
    accounts = [account_of_role(role(MANAGEMENT), [WEST])] * 2
    assert resolve(accounts=accounts) == [Target(MANAGEMENT, WEST, role(MANAGEMENT))]
