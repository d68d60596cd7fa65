"""The members of a list request, checked as Image Builder checks them."""

import json
import re
from typing import Any, NamedTuple

from extract.emulator.catalog import OWNERS
from extract.emulator.world import ApiError

PAGE_SIZE = 25
PAGE_SIZE_MOST = 100
IMAGE_ARN = re.compile(
    r"(arn:aws[^:]*:imagebuilder:[^:]+:(?:[0-9]{12}|aws(?:-[a-z-]+)?|third-party):image/[a-z0-9-_]+)"
    r"/([0-9]+\.[0-9]+\.[0-9]+)"
)
FILTERS = {"name": "name", "osVersion": "os_version", "platform": "platform", "type": "type"}


class Query(NamedTuple):
    """The members of a request, checked."""

    operation: str
    arn: str | None
    filters: dict[str, frozenset[str]]
    max_results: int
    token: str | None
    owner: str
    by_name: bool
    has_deprecated: bool


def members_of(body: bytes) -> dict[str, Any]:
    """Return the members of a request body; raise ApiError where it is no JSON object."""
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError(400, "SerializationException", f"no JSON: {error}") from error
    if not isinstance(members, dict):
        raise ApiError(400, "SerializationException", "expected a JSON object")
    return {name: value for name, value in members.items() if value is not None}


def query_of(operation: str, members: dict[str, Any], most: int) -> Query:
    """Return the checked members; raise ApiError, with AWS's wording, on the first bad one.

    `most` is the largest page size that is taken.
    """
    size = members.get("maxResults", min(PAGE_SIZE, most))
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= most:
        raise _invalid("maxResults", size, f"expected an integer from 1 to {most}")
    owner = members.get("owner", "Self")
    if owner not in OWNERS:
        raise _invalid("owner", owner, f"expected one of {', '.join(OWNERS)}")
    arn = members.get("imageVersionArn")
    if arn is not None and not (isinstance(arn, str) and IMAGE_ARN.fullmatch(arn)):
        raise _invalid("imageVersionArn", arn, "expected the ARN of an exact image version")
    filters = _filters(members.get("filters", []))
    by_name = bool(members.get("byName", False))
    if by_name and "version" in filters:
        raise _invalid("byName", by_name, "it cannot be combined with the filter version")
    token, is_retired = members.get("nextToken"), bool(members.get("includeDeprecated", False))
    return Query(operation, arn, filters, size, token, owner, by_name, is_retired)


def _filters(filters: Any) -> dict[str, frozenset[str]]:
    chosen: dict[str, frozenset[str]] = {}
    if not isinstance(filters, list):
        raise _invalid("filters", filters, "expected a list")
    for item in filters:
        name = item.get("name") if isinstance(item, dict) else None
        if name not in FILTERS and name != "version":
            raise _invalid("filters", item, f"expected a name of {', '.join(FILTERS)}, version")
        values = item.get("values")
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise _invalid("filters", item, "expected a list of values")
        chosen[name] = chosen[name] & frozenset(values) if name in chosen else frozenset(values)
    return chosen


def _invalid(name: str, value: object, reason: str) -> ApiError:
    message = f"The value supplied for parameter '{name}' is not valid. Found {value!r}, {reason}."
    return ApiError(400, "InvalidRequestException", message)
