"""Which targets there are: accounts by regions.

Accounts are given by their roles or found in the AWS Organization; `all` regions are those that are
enabled for each account. An account whose regions cannot be told is a failed target, not an error,
as long as others can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from botocore.exceptions import ClientError, ProfileNotFound

from extract.errors import (
    CALL_ERRORS,
    DENIED,
    EXPIRED,
    NO_CREDENTIALS,
    CallError,
    Kind,
    TargetError,
    diagnose,
)
from extract.sessions import Role, Sessions

ALL_REGIONS: Final = "all"
_ACTIVE: Final = "ACTIVE"


@dataclass(frozen=True)
class Target:
    """One account and region whose Image Builder API is asked; `role_arn` None: as the caller.

    `error` is why it cannot even be asked: its code and message.
    """

    account_id: str
    region: str
    role_arn: str | None = None
    error: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"


@dataclass(frozen=True)
class TargetOutcome:
    """How a target's listing went; `builds_listed` counts items, the repeated ones too."""

    account_id: str
    region: str
    status: str = ""
    error_code: str | None = None
    error_message: str | None = None
    pages: int = 0
    builds_listed: int = 0
    requests: int = 0
    throttles: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    resume_token: str | None = None

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"


@dataclass(frozen=True)
class Account:
    """An account to read: as the caller or by a role; `regions` None: those asked of all."""

    account_id: str
    role_arn: str | None = None
    regions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Scope:
    """Which accounts and regions are asked for.

    `organization_role` names the role to assume in every active account of the AWS Organization.
    """

    regions: Sequence[str] = ()
    exclude_regions: Sequence[str] = ()
    accounts: Sequence[Account] = field(default=())
    organization_role: str | None = None
    include_accounts: Sequence[str] = ()
    exclude_accounts: Sequence[str] = ()


def resolve_targets(sessions: Sessions, scope: Scope) -> list[Target]:
    """Every account (the given, the organization's, or the caller's own) by every region.

    Raises TargetError where a region is not one, or where nobody can be asked.
    """
    try:
        for region in (*scope.regions, *_own_regions(scope.accounts)):
            if region != ALL_REGIONS:
                _require_known(sessions, "--region", region)
        for region in scope.exclude_regions:
            _require_known(sessions, "--exclude-region", region)
        accounts = _accounts(sessions, scope)
        with ThreadPoolExecutor(16) as threads:
            targets = [
                target
                for group in threads.map(lambda a: _targets_of(sessions, scope, a), accounts)
                for target in group
            ]
    except ProfileNotFound as error:
        raise TargetError(f"AWS_PROFILE: {error}", is_usage=True) from error
    if targets and all(target.error for target in targets):
        code, message = targets[0].error or ("", "")
        raise TargetError(f"{targets[0]}: {message}", is_usage=code == NO_CREDENTIALS)
    if not targets:
        raise TargetError(
            "no target is left: --exclude-account, --include-account and --exclude-region leave "
            "nothing to read",
            is_usage=True,
        )
    return list(dict.fromkeys(targets))


def account_of_role(role_arn: str, regions: Iterable[str] | None = None) -> Account:
    """The account of a role's ARN. Raises TargetError where it is none."""
    if role := Role.parse(role_arn):
        return Account(role.account_id, role_arn, tuple(regions) if regions else None)
    raise TargetError(
        f"--role-arn {role_arn!r}: not a role's ARN; expected arn:aws:iam::123456789012:role/NAME",
        is_usage=True,
    )


def _own_regions(accounts: Iterable[Account]) -> Iterable[str]:
    return (region for account in accounts for region in account.regions or ())


def _accounts(sessions: Sessions, scope: Scope) -> list[Account]:
    """One of each account, the ones that are given before those of the organization."""
    _require_once(scope.accounts)
    accounts = list(scope.accounts)
    if scope.organization_role:
        accounts += _organization_accounts(sessions, scope.organization_role)
    if not accounts:
        accounts = [Account(_own_account(sessions, scope.regions))]
    by_id = {account.account_id: account for account in reversed(accounts)}
    return [
        by_id[account_id]
        for account_id in dict.fromkeys(account.account_id for account in accounts)
        if account_id not in scope.exclude_accounts
        and (not scope.include_accounts or account_id in scope.include_accounts)
    ]


def _require_once(accounts: Iterable[Account]) -> None:
    """Of an account that is given in two ways, one would be left out without a word."""
    given: dict[str, Account] = {}
    for account in accounts:
        other = given.setdefault(account.account_id, account)
        if other != account:
            raise TargetError(
                f"--role-arn, [[accounts]]: {account.account_id} is given twice, {_how(other)} and "
                f"{_how(account)}: give an account once, with one role and all its regions",
                is_usage=True,
            )


def _how(account: Account) -> str:
    regions = f" for {', '.join(account.regions)}" if account.regions else ""
    return f"by {account.role_arn}{regions}"


def _organization_accounts(sessions: Sessions, role_name: str) -> list[Account]:
    """Every active account, the management account too; the caller's own as the caller."""
    own = _own_account(sessions, ())
    try:
        client = sessions.client("organizations", sessions.home_region())
        listed = [
            account
            for page in client.get_paginator("list_accounts").paginate()
            for account in page["Accounts"]
            if _is_active(account)
        ]
    except CALL_ERRORS as error:
        raise _refusal(error, "the organization's accounts (organizations:ListAccounts)") from error
    return [
        Account(account["Id"], None if account["Id"] == own else _role_in(account, role_name))
        for account in listed
    ]


def _is_active(account: dict[str, str]) -> bool:
    """By `State`; `Status`, which came before it, is retired. One that tells neither is asked."""
    return (account.get("State") or account.get("Status") or _ACTIVE) == _ACTIVE


def _role_in(account: dict[str, str], role_name: str) -> str:
    partition = account["Arn"].split(":")[1]
    return f"arn:{partition}:iam::{account['Id']}:role/{role_name}"


def _targets_of(sessions: Sessions, scope: Scope, account: Account) -> list[Target]:
    try:
        regions = _regions_of(sessions, account.regions or scope.regions, account)
    except CALL_ERRORS as error:
        problem = diagnose(error)
        words = f"cannot tell which regions are enabled: {problem.message}"
        return [Target(account.account_id, ALL_REGIONS, account.role_arn, (problem.code, words))]
    return [
        Target(account.account_id, region, account.role_arn)
        for region in regions
        if region not in scope.exclude_regions
    ]


def _regions_of(sessions: Sessions, regions: Sequence[str], account: Account) -> Sequence[str]:
    if ALL_REGIONS in regions:
        return _enabled_regions(sessions, account.role_arn)
    if regions:
        return regions
    if sessions.own_region is None:
        raise TargetError(
            "no region: give --region, or set AWS_REGION or the profile's region", is_usage=True
        )
    return [sessions.own_region]


def _enabled_regions(sessions: Sessions, role_arn: str | None) -> list[str]:
    """The regions that are enabled for the account, by account:ListRegions.

    Where that is denied, by ec2:DescribeRegions.
    """
    home = sessions.home_region(role_arn)
    pages = sessions.client("account", home, role_arn).get_paginator("list_regions")
    enabled = ["ENABLED", "ENABLED_BY_DEFAULT"]
    try:
        listed = [
            region["RegionName"]
            for page in pages.paginate(RegionOptStatusContains=enabled)
            for region in page["Regions"]
        ]
    except CALL_ERRORS as error:
        if diagnose(error).code not in DENIED or _is_of_role(error):
            raise
        described = sessions.client("ec2", home, role_arn).describe_regions()
        listed = [region["RegionName"] for region in described["Regions"]]
    return sorted(listed)


def _is_of_role(error: CallError) -> bool:
    """True where not the call itself was refused, but the role."""
    return getattr(error, "operation_name", "") == "AssumeRole"


def _require_known(sessions: Sessions, option: str, region: str) -> None:
    if region in sessions.known_regions:
        return
    near = get_close_matches(region.lower(), sessions.known_regions, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `--region all` lists every enabled one"
    if "," in region or " " in region:
        hint = f"; one region each time: {option} A {option} B"
    raise TargetError(
        f"{option} {region!r}: not a region that this version of boto3 knows{hint}", is_usage=True
    )


def _own_account(sessions: Sessions, regions: Sequence[str]) -> str:
    named = [region for region in regions if region != ALL_REGIONS]
    try:
        sts = sessions.client("sts", sessions.own_region or (named or [sessions.home_region()])[0])
        account: str = sts.get_caller_identity()["Account"]
    except ProfileNotFound:
        raise
    except CALL_ERRORS as error:
        raise _refusal(error, "who the caller is") from error
    return account


def _refusal(error: CallError, question: str) -> TargetError:
    problem = diagnose(error)
    if problem.code in EXPIRED:
        return TargetError(problem.message, is_usage=False)
    is_configuration = problem.kind is Kind.FINAL and not isinstance(error, ClientError)
    return TargetError(f"cannot tell {question}: {problem.message}", is_usage=is_configuration)
