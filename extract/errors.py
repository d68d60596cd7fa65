"""What an error of a call means for its target, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError

CallError: TypeAlias = (
    BotoCoreError | ClientError | ResponseParserError | HTTPError | ConnectionError
)
"""What a boto3 call can raise, its transport and its parser included."""
CALL_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError, HTTPError, ConnectionError)


class TargetError(Exception):
    """The targets cannot be told or asked: a setting is wrong (`is_usage`) or AWS refuses."""

    def __init__(self, message: str, *, is_usage: bool) -> None:
        super().__init__(message)
        self.is_usage = is_usage


class Kind(Enum):
    """What to do about an error."""

    THROTTLED = auto()
    """Wait, then ask again."""
    TRANSIENT = auto()
    """Ask again, a bounded number of times."""
    BAD_REQUEST = auto()
    """The request was refused: perhaps its page size."""
    BAD_TOKEN = auto()
    """The pagination token was refused: list from the start."""
    NOT_ENABLED = auto()
    """The region is not there for the account: skip it."""
    FINAL = auto()
    """Asking again changes nothing."""


@dataclass(frozen=True)
class Problem:
    """One failed call: its kind, the error's code and one line of words with a remedy."""

    kind: Kind
    code: str
    message: str
    retry_after_seconds: float | None = None


_THROTTLES: Final = {
    "CallRateLimitExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_BAD_REQUESTS: Final = {
    "InvalidParameterException",
    "InvalidParameterValueException",
    "InvalidRequestException",
    "ValidationException",
}
_NOT_ENABLED: Final = {"OptInRequired", "UnrecognizedClientException", "InvalidClientTokenId"}
EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
DENIED: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "ForbiddenException",
    "UnauthorizedOperation",
}

NO_SUCH_ENDPOINT: Final = "NoSuchEndpoint"
"""The endpoint's name does not resolve: the region has none, or there is no network."""
NO_CREDENTIALS: Final = "NoCredentials"

_REMEDIES: Final = {
    "ListAccounts": "grant organizations:ListAccounts to the caller, in the management account or a "
    "delegated administrator's, or name the roles with --role-arn",
    "ListRegions": "grant account:ListRegions to the role or name the regions with --region",
    "DescribeRegions": "grant account:ListRegions or ec2:DescribeRegions to the role or name the "
    "regions with --region",
}
"""By operation, what to do where it is denied, other than for Image Builder's own."""

_RENEW: Final = "renew them (for SSO: `aws sso login`) and run again"


def diagnose(error: CallError) -> Problem:
    """The problem behind an exception that a boto3 call raised."""
    if isinstance(error, ClientError):
        return _diagnose_answer(error)
    if isinstance(error, NoCredentialsError):
        return Problem(Kind.FINAL, NO_CREDENTIALS, f"no AWS credentials found; {HOW_TO_SIGN_IN}")
    if isinstance(error, ResponseParserError):
        return Problem(Kind.TRANSIENT, "MalformedAnswer", _line(error))
    if isinstance(error, EndpointConnectionError):
        return Problem(Kind.TRANSIENT, _connection_code(error), _line(error))
    if isinstance(error, HTTPClientError | HTTPError | ConnectionError):
        return Problem(Kind.TRANSIENT, type(error).__name__, _line(error))
    return Problem(Kind.FINAL, type(error).__name__, _line(error))


HOW_TO_SIGN_IN: Final = (
    "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with "
    "`aws sso login`; `--demo` needs none"
)


def _connection_code(error: EndpointConnectionError) -> str:
    reason: object = error.kwargs.get("error")
    while isinstance(reason, MaxRetryError):
        reason = reason.reason
    is_unknown = isinstance(reason, NameResolutionError)
    return NO_SUCH_ENDPOINT if is_unknown else "EndpointConnectionError"


def _diagnose_answer(error: ClientError) -> Problem:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"{code} on {error.operation_name}: {_line_of(error)}"
    if code in _THROTTLES or status == 429:
        return Problem(Kind.THROTTLED, code, message, _retry_after(error))
    if status >= 500:
        return Problem(Kind.TRANSIENT, code, message, _retry_after(error))
    if code == "InvalidPaginationTokenException":
        return Problem(Kind.BAD_TOKEN, code, message)
    if code in _BAD_REQUESTS:
        return Problem(Kind.BAD_REQUEST, code, message)
    if code in EXPIRED:
        return Problem(Kind.FINAL, code, f"{message}; the credentials have expired: {_RENEW}")
    if code in _NOT_ENABLED and error.operation_name != "AssumeRole":
        return Problem(
            Kind.NOT_ENABLED,
            code,
            f"{message}; the region is not enabled for the account: enable it or leave it out",
        )
    if code in DENIED:
        return Problem(Kind.FINAL, code, f"{message}; {_remedy_for_denial(error)}")
    return Problem(Kind.FINAL, code, message)


def _remedy_for_denial(error: ClientError) -> str:
    if error.operation_name == "AssumeRole":
        return "allow it in the role's trust policy (and give its external id) or drop the account"
    if error.operation_name in _REMEDIES:
        return _REMEDIES[error.operation_name]
    if "service control policy" in _line_of(error):
        return "a service control policy denies it: leave the region out or have the policy changed"
    return f"grant imagebuilder:{error.operation_name} to the role or leave the region out"


def _line_of(error: ClientError) -> str:
    return " ".join(str(error.response.get("Error", {}).get("Message") or "no message").split())


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _retry_after(error: ClientError) -> float | None:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
