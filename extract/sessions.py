"""Sessions and clients: credentials from the standard AWS chain, roles refreshed in time.

Boto3's loader of service models is shared by the process, since each costs 10 ms and 2 MB to read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import log2
from threading import RLock
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import InvalidRegionError, NoCredentialsError
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from extract.errors import TargetError
from schemas import __version__

SESSION_NAME: Final = "imagelake"
"""The role session's name: what an auditor of the member account sees in CloudTrail."""

_MOST_ATTEMPTS: Final = 5
"""With the waits of botocore's `legacy` mode: 7.5 s by their mean, 15 at the most. Those of `standard`
begin at 0 to 0.05 s and are over before a service is back from a 503. Not more attempts, since a
listing that cannot sign in tries again itself, six times: a minute in all."""
_ROLE_ARN: Final = re.compile(r"arn:(?P<partition>aws[\w-]*):iam::(?P<account>[0-9]{12}):role/.+")
_HOMES: Final = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True)
class Role:
    """What a role's ARN says. The partition is kept in everything that is derived from it."""

    partition: str
    account_id: str

    @classmethod
    def parse(cls, arn: str) -> Role | None:
        """The role of an ARN; None where it is no role's."""
        match = _ROLE_ARN.fullmatch(arn)
        return cls(match["partition"], match["account"]) if match else None

    @property
    def home_region(self) -> str:
        """Where its partition's global services are asked."""
        return _HOMES.get(self.partition, "us-east-1")


def require_answer(response_dict: dict[str, Any], **_: object) -> None:
    """botocore's `before-parse` hook: raises ResponseParserError where a good answer is none.

    A proxy's page, say: botocore takes it for an answer without members, or trips over it.
    """
    operation, body = response_dict["context"]["operation_name"], response_dict["body"]
    if response_dict["status_code"] >= 300 or f"<{operation}Response".encode() in body:
        return
    try:
        is_answer = isinstance(json.loads(body), dict)
    except ValueError:
        is_answer = False
    if not is_answer:
        start = body[:60].decode(errors="replace")
        raise ResponseParserError(f"what answered {operation} is not AWS, a proxy?: {start!r}")


class _Loader(Loader):  # type: ignore[misc]  # botocore ships no types
    """Takes a service for known by its folder; whether it has such a model is told by loading it.

    Botocore's own looks into all 400 folders for each type of model: 45 ms for the first client.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        """Every service there is a folder of."""
        known: set[str] = set()
        for folder in dict.fromkeys(self.search_paths):
            if os.path.isdir(folder):  # noqa: PTH112 - a Path raises where it may not be looked at
                known |= {entry.name for entry in os.scandir(folder) if entry.is_dir()}
        return sorted(known)


_loader_of_process = cache(_Loader)


@dataclass
class Sessions:
    """Sessions by role, made once each; `external_ids` are by role, `external_id` for the others."""

    external_id: str | None = field(default=None, repr=False)
    external_ids: Mapping[str, str] = field(default_factory=dict, repr=False)
    read_timeout: float = 60.0
    _by_role: dict[str | None, boto3.Session] = field(default_factory=dict, repr=False)
    _loader: Loader = field(default_factory=_loader_of_process, repr=False)
    _lock: RLock = field(default_factory=RLock, repr=False)

    def client(
        self, service: str, region: str, role_arn: str | None = None, **credentials: str | None
    ) -> Any:
        """A client. Image Builder's makes each call once, since the listing retries itself.

        Raises TargetError where an endpoint of the environment is none, or where what the profile's
        credential_process says is no JSON.
        """
        config = self._once if service == "imagebuilder" else self._retried
        try:
            with self._lock:  # boto3 sessions are not safe to make clients from in several threads
                client = self._session(role_arn).client(
                    service, region_name=region, config=config, **credentials
                )
        except InvalidRegionError:
            raise  # of a target whose region AWS has told: the others can be read
        except ValueError as error:  # botocore's own words
            raise TargetError(self._misconfigured(role_arn, error), is_usage=True) from error
        if service != "imagebuilder":  # whose listing looks at the bodies itself
            client.meta.events.register("before-parse", require_answer)
        return client

    def _misconfigured(self, role_arn: str | None, error: ValueError) -> str:
        """Which setting it was: the credentials are looked for before the endpoint."""
        try:
            self._session(role_arn).get_credentials()
        except ValueError:
            return (
                f"credential_process: {error}; it has to write the JSON of credentials, as it does "
                "for the AWS CLI"
            )
        return f"AWS_ENDPOINT_URL: {error}; give a URL"

    @property
    def own_region(self) -> str | None:
        """The session's region, as the standard chain tells it.

        Boto3 knows AWS_DEFAULT_REGION only; AWS_REGION is what the other SDKs and Lambda set.
        """
        with self._lock:
            region: str | None = self._session(None).region_name
            return region or os.environ.get("AWS_REGION")

    @property
    def asks_for_codes(self) -> bool:
        """Whether the profile's role wants an MFA code, which a person types and which is good once."""
        session = botocore.session.Session()
        profiles = session.full_config.get("profiles", {})
        name: str | None = session.profile or "default"
        while own := profiles.pop(name, None):  # a profile may have itself for its source
            if "mfa_serial" in own:
                return True
            name = own.get("source_profile")
        return False

    @cached_property
    def known_regions(self) -> tuple[str, ...]:
        """Every region that this botocore knows, of all partitions.

        STS is in all of them, and its model is small: that of EC2, asked the same, took 0.1 s of CPU
        and 20 MB.
        """
        session = self._session(None)
        return tuple(
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("sts", partition)
        )

    def home_region(self, role_arn: str | None = None) -> str:
        """Where to ask global services: the session's region, else the role's partition's."""
        role = Role.parse(role_arn or "")
        return self.own_region or (role.home_region if role else _HOMES["aws"])

    @cached_property
    def _once(self) -> Config:
        return self._with_attempts(1, "standard")

    @cached_property
    def _retried(self) -> Config:
        """As many attempts, up to five, with waits of no more than 0.6 of the time."""
        attempts = min(_MOST_ATTEMPTS, 1 + int(log2(1 + 0.6 * self.read_timeout)))
        return self._with_attempts(attempts, "legacy")

    def _with_attempts(self, attempts: int, mode: str) -> Config:
        """All attempts, with the waits between them, take no longer than `read_timeout`."""
        between = 2 ** (attempts - 1) - 1  # seconds at the most: 0 to 1, 0 to 2, 0 to 4, and so on
        seconds = (self.read_timeout - between) / attempts
        return Config(
            retries={"total_max_attempts": attempts, "mode": mode},
            connect_timeout=min(10.0, seconds),
            read_timeout=seconds,
            user_agent=f"imagelake/{__version__}",  # building boto3's own costs 0.15 ms a call; no
            # other part of a call was found that a setting could spare: tests/bench/calls.py
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
            raise NoCredentialsError
        arguments = {"RoleSessionName": SESSION_NAME}
        if external_id := self.external_ids.get(role_arn, self.external_id):
            arguments["ExternalId"] = external_id
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda service, **credentials: self.client(
                service, self.home_region(role_arn), **credentials
            ),
            source_credentials=source,
            role_arn=role_arn,
            extra_args=arguments,
        )
        chain = session.get_component("credential_provider")
        chain.providers.insert(0, _RoleProvider(fetcher))


class _RoleProvider(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
    METHOD = "assume-role"
    CANONICAL_NAME = "imagelake-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)
