"""What an error of a call means, and what its words tell a person to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from extract.errors import NO_SUCH_ENDPOINT, Kind, diagnose
from extract.targets import TargetOutcome
from flows.reading import with_regions_told_apart


def refused(code: str, operation: str, message: str = "no", status: int = 403) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "soon"}},
    }
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (refused("AccessDenied", "AssumeRole"), Kind.FINAL, "allow it in the role's trust policy"),
        (
            refused("AccessDeniedException", "ListImageBuildVersions"),
            Kind.FINAL,
            "grant imagebuilder:ListImageBuildVersions to the role",
        ),
        (
            refused("AccessDeniedException", "ListImages", "explicit deny in a service control policy"),
            Kind.FINAL,
            "a service control policy denies it",
        ),
        (refused("ExpiredTokenException", "ListImages"), Kind.FINAL, "`aws sso login`"),
        (refused("OptInRequired", "ListImages"), Kind.NOT_ENABLED, "enable it or leave it out"),
        (refused("Odd", "ListImages", status=429), Kind.THROTTLED, "Odd on ListImages: no"),
        (refused("Odd", "ListImages", status=503), Kind.TRANSIENT, "Odd on ListImages: no"),
        (refused("Odd", "ListImages", status=418), Kind.FINAL, "Odd on ListImages: no"),
    ],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_an_error_says_what_to_do(error: ClientError, kind: Kind, remedy: str) -> None:
    problem = diagnose(error)
    assert problem.kind is kind
    assert remedy in problem.message
    assert problem.retry_after_seconds is None  # an unreadable Retry-After is none


def connection_error(reason: Exception) -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="http://127.0.0.1:1/", error=reason)


def test_a_name_that_does_not_resolve_is_told_from_a_port_that_refuses() -> None:
    connection = HTTPConnection("127.0.0.1")
    unknown = NameResolutionError("imagebuilder.nowhere", connection, OSError(-2, "unknown"))  # type: ignore[arg-type]  # its stub asks for socket.gaierror
    assert diagnose(connection_error(unknown)).code == NO_SUCH_ENDPOINT
    refused_port = NewConnectionError(connection, "refused")
    assert diagnose(connection_error(refused_port)).code == "EndpointConnectionError"


NAMELESS = TargetOutcome("1" * 12, "eu-west-9", "failed", NO_SUCH_ENDPOINT, "no such name")
KEYLESS = TargetOutcome("1" * 12, "eu-west-9", "skipped", "UnrecognizedClientException", "no key")


def test_a_region_without_an_endpoint_is_skipped_where_others_were_reached() -> None:
    reached = TargetOutcome("2" * 12, "eu-west-1", "complete", pages=1)
    skipped, other = with_regions_told_apart([NAMELESS, reached])
    assert (skipped.status, other) == ("skipped", reached)
    assert "no Image Builder endpoint" in (skipped.error_message or "")


def test_a_dead_network_says_nothing_of_the_regions() -> None:
    """Where nothing was reached, a name that does not resolve stays a failure."""
    assert with_regions_told_apart([NAMELESS]) == [NAMELESS]


def test_a_refused_key_is_a_region_that_is_off_only_where_the_key_is_good_elsewhere() -> None:
    elsewhere = TargetOutcome("1" * 12, "eu-west-1", "complete", pages=1)
    assert with_regions_told_apart([KEYLESS, elsewhere]) == [KEYLESS, elsewhere]
    another_account = TargetOutcome("2" * 12, "eu-west-1", "complete", pages=1)
    failed, _ = with_regions_told_apart([KEYLESS, another_account])
    assert failed.status == "failed"
    assert "the credentials are not valid" in (failed.error_message or "")
