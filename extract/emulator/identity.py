"""Who calls, and the services that say so: request signatures, STS, Account ListRegions."""

import json
import re
import secrets
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qs

from extract.emulator.breakage import broken, take_outcome
from extract.emulator.query import members_of
from extract.emulator.render import date_time
from extract.emulator.wire import Answer, Request
from extract.emulator.world import ApiError, Caller, World

CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
KEY_ACCOUNT = re.compile(r"A[KS]IA(\d{12})")
ROLE = re.compile(r"arn:(aws[^:]*):iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]+)")
SESSIONS_MOST = 10_000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BY_DEFAULT = frozenset(
    (
        "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
        "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "ap-south-1",
        "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
    )
)  # fmt: skip
NOT_ENABLED = ("af-south-1", "ap-east-1", "eu-south-1", "me-south-1")
STS_VERSION = "https://sts.amazonaws.com/doc/2011-06-15/"


class Session(NamedTuple):
    """What AssumeRole gave out; `until` is epoch seconds of real time."""

    partition: str
    account: str
    role: str
    name: str
    token: str
    until: float


class Sessions:
    """The credentials that AssumeRole minted, by access key id."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[str, Session] = OrderedDict()

    def mint(self, session: Session) -> str:
        """Keep a session; return its access key id, which carries the account."""
        key = f"ASIA{session.account}{''.join(secrets.choice(ALPHABET) for _ in range(4))}"
        self._by_key[key] = session
        if len(self._by_key) > SESSIONS_MOST:
            self._by_key.popitem(last=False)
        return key

    def find(self, key: str) -> Session | None:
        """Return the session of an access key id, None where it was not minted here."""
        return self._by_key.get(key)


def caller_of(world: World, sessions: Sessions, headers: Mapping[str, str]) -> Caller:
    """Return who signed a request; raise ApiError where nobody, or with a spent session."""
    match = CREDENTIAL.match(headers.get("authorization", ""))
    if match is None:
        message = "Missing Authentication Token"
        raise ApiError(403, "MissingAuthenticationTokenException", message)
    key, region, _ = match.groups()
    session = sessions.find(key)
    if session and headers.get("x-amz-security-token") != session.token:
        message = "The security token included in the request is invalid."
        raise ApiError(403, "UnrecognizedClientException", message)
    if session and session.until < time.time():
        message = "The security token included in the request is expired"
        raise ApiError(403, "ExpiredTokenException", message)
    account = KEY_ACCOUNT.match(key)
    return Caller(key, account[1] if account else world.settings.accounts[0], region)


def answer_sts(world: World, sessions: Sessions, caller: Caller, request: Request) -> Answer:
    """Return the XML answer of GetCallerIdentity or AssumeRole."""
    fields = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    action = fields.get("Action", "")
    if action == "GetCallerIdentity":
        outcome = take_outcome(world, caller.account, "*", f"sts:{action}", "sts")
        return broken(outcome, lambda: _identity(sessions, caller))
    if action == "AssumeRole":
        role = ROLE.fullmatch(fields.get("RoleArn", ""))
        account = role[2] if role else caller.account
        outcome = take_outcome(world, account, "*", f"sts:{action}", "sts")
        return broken(outcome, lambda: _assume(world, sessions, caller, fields))
    raise ApiError(400, "InvalidAction", f"Could not find operation {action}")


def sts_error(error: ApiError) -> Answer:
    """Return an error in the form of the query protocol."""
    name = error.name.removesuffix("Exception")
    body = (
        f'<ErrorResponse xmlns="{STS_VERSION}"><Error><Type>Sender</Type><Code>{name}</Code>'
        f"<Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
    return Answer(error.status, body.encode(), "text/xml")


def answer_list_regions(world: World, caller: Caller, body: bytes) -> Answer:
    """Return a page of the account's regions with their opt-in status."""
    outcome = take_outcome(world, caller.account, "*", "account:ListRegions", "list_regions")
    return broken(outcome, lambda: _regions_page(world, caller, body))


def _regions_page(world: World, caller: Caller, body: bytes) -> Answer:
    if world.faults.of(caller.account, "*").get("list_regions_denied"):
        message = "User is not authorized to perform: account:ListRegions"
        raise ApiError(403, "AccessDeniedException", message)
    members = members_of(body)
    size, start = members.get("MaxResults", 50), members.get("NextToken") or "0"
    if not isinstance(size, int) or not 1 <= size <= 50 or not str(start).isdigit():
        raise ApiError(400, "ValidationException", "MaxResults: expected 1 to 50, or a bad token")
    wanted = members.get("RegionOptStatusContains")
    regions = [
        {"RegionName": name, "RegionOptStatus": status}
        for name, status in _regions(world, caller.account)
        if not wanted or status in wanted
    ]
    stop = int(start) + size
    page: dict[str, object] = {"Regions": regions[int(start) : stop]}
    if stop < len(regions):
        page["NextToken"] = str(stop)
    return Answer(200, json.dumps(page).encode())


def _regions(world: World, account: str) -> list[tuple[str, str]]:
    regions = dict.fromkeys(NOT_ENABLED, "DISABLED")
    for name in world.settings.regions:
        regions[name] = "ENABLED_BY_DEFAULT" if name in BY_DEFAULT else "ENABLED"
        if world.faults.of(account, name).get("region_disabled"):
            regions[name] = "DISABLED"
    return sorted(regions.items())


def _identity(sessions: Sessions, caller: Caller) -> Answer:
    session = sessions.find(caller.access_key_id)
    arn, user = f"arn:aws:iam::{caller.account}:user/emulator", "AIDAEMULATOREMULATOR"
    if session:
        arn = _session_arn(session)
        user = f"AROAEMULATOREMULATOR:{session.name}"
    return _xml(
        "GetCallerIdentity",
        f"<Arn>{escape(arn)}</Arn><UserId>{escape(user)}</UserId>"
        f"<Account>{caller.account}</Account>",
    )


def _assume(world: World, sessions: Sessions, caller: Caller, fields: dict[str, str]) -> Answer:
    role = fields.get("RoleArn", "")
    match = ROLE.fullmatch(role)
    seconds = fields.get("DurationSeconds", "3600")
    name = fields.get("RoleSessionName", "")
    if match is None or not name or not (seconds.isdigit() and 900 <= int(seconds) <= 43200):
        message = f"RoleArn {role!r}, RoleSessionName {name!r}, DurationSeconds {seconds!r}"
        raise ApiError(400, "ValidationError", f"Invalid among these: {message}")
    partition, account, role_name = match.groups()
    faults = world.faults.of(account, "*")
    needed = faults.get("external_id")
    is_foreign = account not in world.settings.accounts
    if is_foreign or faults.get("sts_denied") or needed not in (None, fields.get("ExternalId")):
        who = f"arn:{partition}:iam::{caller.account}:user/emulator"
        message = f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}"
        raise ApiError(403, "AccessDenied", message)
    until = time.time() + int(seconds)
    token = secrets.token_urlsafe(96)
    session = Session(partition, account, role_name, name, token, until)
    return _assumed(session, sessions.mint(session))


def _assumed(session: Session, key: str) -> Answer:
    expiration = date_time(int(session.until) * 1000).replace(".000Z", "Z")
    return _xml(
        "AssumeRole",
        f"<AssumedRoleUser><AssumedRoleId>AROAEMULATOREMULATOR:{escape(session.name)}"
        f"</AssumedRoleId><Arn>{escape(_session_arn(session))}</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{key}</AccessKeyId>"
        f"<SecretAccessKey>{secrets.token_urlsafe(30)}</SecretAccessKey>"
        f"<SessionToken>{session.token}</SessionToken>"
        f"<Expiration>{expiration}</Expiration></Credentials>",
    )


def _session_arn(session: Session) -> str:
    return (
        f"arn:{session.partition}:sts::{session.account}:assumed-role/{session.role}/{session.name}"
    )


def _xml(action: str, result: str) -> Answer:
    body = (
        f'<{action}Response xmlns="{STS_VERSION}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
    return Answer(200, body.encode(), "text/xml")
