"""Which targets there are: accounts by regions, and the sessions to ask them with.

Credentials, profiles and endpoints come from the standard AWS chain; a role's own are refreshed
before they expire. Boto3's loader of service models is shared, since each costs 10 ms and 2 MB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from threading import Lock
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from botocore.loaders import Loader, create_loader

from extract.errors import EXPIRED, HOW_TO_SIGN_IN, NO_CREDENTIALS, diagnose
from schemas import __version__

SESSION_NAME: Final = "imagelake"
"""The role session's name: what an auditor of the member account sees in CloudTrail."""

ALL_REGIONS: Final = "all"

_ROLE_ARN: Final = re.compile(r"arn:(?P<partition>aws[\w-]*):iam::(?P<account>[0-9]{12}):role/.+")
_CONFIG: Final = Config(
    retries={"total_max_attempts": 1, "mode": "standard"},  # the listing retries, between targets
    connect_timeout=10,
    user_agent=f"imagelake/{__version__}",  # building boto3's own costs more than the request
)


class TargetError(Exception):
    """The targets cannot be told: a setting is wrong (`is_usage`) or AWS refuses."""

    def __init__(self, message: str, *, is_usage: bool) -> None:
        super().__init__(message)
        self.is_usage = is_usage


@dataclass(frozen=True)
class Target:
    """One account and region whose Image Builder API is asked; `role_arn` None: as the caller."""

    account_id: str
    region: str
    role_arn: str | None = None

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


@dataclass
class Sessions:
    """Sessions by role, made once each."""

    external_id: str | None = field(default=None, repr=False)
    read_timeout: float = 60.0
    _by_role: dict[str | None, boto3.Session] = field(default_factory=dict, repr=False)
    _loader: Loader = field(default_factory=create_loader, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def client(
        self, service: str, region: str, role_arn: str | None = None, **credentials: str | None
    ) -> Any:
        """A client that makes each call once: retrying is the listing's own."""
        with self._lock:  # boto3 sessions are not safe to make clients from in several threads
            return self._session(role_arn).client(
                service, region_name=region, config=self._config, **credentials
            )

    def _session(self, role_arn: str | None) -> boto3.Session:
        if role_arn not in self._by_role:
            session = botocore.session.Session()
            session.register_component("data_loader", self._loader)
            if role_arn is not None:
                self._assume(session, role_arn)
            self._by_role[role_arn] = boto3.Session(botocore_session=session)
        return self._by_role[role_arn]

    def _assume(self, session: botocore.session.Session, role_arn: str) -> None:
        source: Any = self._session(None).get_credentials()
        if source is None:
            raise TargetError(f"no AWS credentials found; {HOW_TO_SIGN_IN}", is_usage=True)
        arguments = {"RoleSessionName": SESSION_NAME}
        if self.external_id:
            arguments["ExternalId"] = self.external_id
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda service, **credentials: self.client(
                service, self.own_region or _home_region(role_arn), **credentials
            ),
            source_credentials=source,
            role_arn=role_arn,
            extra_args=arguments,
        )
        chain = session.get_component("credential_provider")
        chain.providers.insert(0, _RoleProvider(fetcher))

    @cached_property
    def _config(self) -> Config:
        return _CONFIG.merge(Config(read_timeout=self.read_timeout))

    @property
    def own_region(self) -> str | None:
        """The session's region, as the standard chain tells it."""
        region: str | None = self._session(None).region_name
        return region

    @cached_property
    def known_regions(self) -> tuple[str, ...]:
        """Every region that this botocore knows, of all partitions."""
        session = self._session(None)
        return tuple(
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("ec2", partition)
        )


class _RoleProvider(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
    METHOD = "assume-role"
    CANONICAL_NAME = "imagelake-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def resolve_targets(
    sessions: Sessions, regions: Sequence[str], role_arns: Sequence[str]
) -> list[Target]:
    """Every account (each role's, or the caller's own) by every region, without repetition.

    Raises TargetError where a region or a role is not one, or where no credentials are valid.
    """
    accounts = [(account_of(role_arn), role_arn) for role_arn in role_arns]
    try:
        for region in regions:
            if region != ALL_REGIONS:
                _require_known(sessions, region)
        for_all = list(accounts) if accounts else [(_own_account(sessions, regions), None)]
        targets = [
            Target(account_id, region, role_arn)
            for account_id, role_arn in for_all
            for region in _regions_of(sessions, regions, role_arn)
        ]
    except ProfileNotFound as error:
        raise TargetError(f"AWS_PROFILE: {error}", is_usage=True) from error
    return list(dict.fromkeys(targets))


def account_of(role_arn: str) -> str:
    """The account of a role's ARN. Raises TargetError where it is none."""
    if match := _ROLE_ARN.fullmatch(role_arn):
        return match["account"]
    raise TargetError(
        f"--role-arn {role_arn!r}: not a role's ARN; expected arn:aws:iam::123456789012:role/NAME",
        is_usage=True,
    )


def _home_region(role_arn: str) -> str:
    """Where to ask STS when the session names no region: a region of the role's partition."""
    match = _ROLE_ARN.fullmatch(role_arn)
    homes = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
    return homes.get(match["partition"] if match else "", "us-east-1")


def _require_known(sessions: Sessions, region: str) -> None:
    if region in sessions.known_regions:
        return
    near = get_close_matches(region, sessions.known_regions, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `--region all` lists every enabled one"
    raise TargetError(
        f"--region {region!r}: not a region that this version of boto3 knows{hint}", is_usage=True
    )


def _regions_of(sessions: Sessions, regions: Sequence[str], role_arn: str | None) -> Sequence[str]:
    if ALL_REGIONS in regions:
        return _enabled_regions(sessions, role_arn)
    if regions:
        return regions
    if sessions.own_region is None:
        raise TargetError(
            "no region: give --region, or set AWS_REGION or the profile's region", is_usage=True
        )
    return [sessions.own_region]


def _own_account(sessions: Sessions, regions: Sequence[str]) -> str:
    named = [region for region in regions if region != ALL_REGIONS]
    sts = sessions.client("sts", sessions.own_region or (named or ["us-east-1"])[0])
    try:
        account: str = sts.get_caller_identity()["Account"]
    except (ClientError, BotoCoreError) as error:
        raise _refusal(error, "who the caller is") from error
    return account


def _enabled_regions(sessions: Sessions, role_arn: str | None) -> list[str]:
    """The regions that are enabled for the account, by account:ListRegions."""
    home = sessions.own_region or (_home_region(role_arn) if role_arn else "us-east-1")
    client = sessions.client("account", home, role_arn)
    pages = client.get_paginator("list_regions").paginate(
        RegionOptStatusContains=["ENABLED", "ENABLED_BY_DEFAULT"]
    )
    try:
        return sorted(region["RegionName"] for page in pages for region in page["Regions"])
    except (ClientError, BotoCoreError) as error:
        raise _refusal(error, "which regions are enabled (account:ListRegions)") from error


def _refusal(error: ClientError | BotoCoreError, question: str) -> TargetError:
    problem = diagnose(error)
    if problem.code in EXPIRED:
        return TargetError(problem.message, is_usage=False)
    return TargetError(
        f"cannot tell {question}: {problem.message}", is_usage=problem.code == NO_CREDENTIALS
    )
