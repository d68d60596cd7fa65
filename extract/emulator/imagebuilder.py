"""ListImageBuildVersions and ListImages: a request's members in, a page's bytes out."""

import time
import uuid
from hashlib import blake2b
from typing import Any, NamedTuple

from extract.emulator.breakage import broken, take_outcome
from extract.emulator.failures import uuid_text
from extract.emulator.faults import ERRORS
from extract.emulator.fleet import Choice, Image, Page, build_at, scan_builds, scan_versions
from extract.emulator.oddities import NEWER_PAGE, with_changed_state, with_unknown_members
from extract.emulator.query import FILTERS, IMAGE_ARN, PAGE_SIZE_MOST, Query, members_of, query_of
from extract.emulator.render import build_json, name_json, version_json
from extract.emulator.tokens import InvalidTokenError, Position
from extract.emulator.wire import Answer
from extract.emulator.world import ApiError, Caller, Script, World

LISTS = {"ListImageBuildVersions": "imageSummaryList", "ListImages": "imageVersionList"}


class Result(NamedTuple):
    """A page's items as JSON text, its next token and its request id."""

    items: list[str]
    token: str | None
    request_id: str


def answer_list(
    world: World, caller: Caller, operation: str, body: bytes, entry: dict[str, Any]
) -> Answer:
    """Return the page that a request asks for, or raise ApiError; `entry` gets what to log."""
    members = members_of(body)
    entry |= {"token": members.get("nextToken"), "max_results": members.get("maxResults")}
    faults = world.faults.of(caller.account, caller.region)
    outcome = _apply_faults(world, caller, operation, faults)
    query = query_of(operation, members, int(faults.get("page_sizes_max", PAGE_SIZE_MOST)))
    return broken(outcome, lambda: _page(world, caller, query, faults, entry))


def _apply_faults(world: World, caller: Caller, operation: str, faults: dict[str, Any]) -> str:
    """Wait, throttle or fail as the target's faults say; return a breakage to carry out."""
    account, region = caller.account, caller.region
    if latency := faults.get("latency_ms"):
        time.sleep(latency / 1000)
    if faults.get("region_disabled"):
        raise ApiError(*ERRORS["unrecognized_client"])
    if world.faults.is_throttled(account, region):
        wait = faults["throttle"].get("retry_after")
        headers = (("Retry-After", str(wait)),) if wait is not None else ()
        raise ApiError(*ERRORS["429"], headers)
    return take_outcome(world, account, region, f"imagebuilder:{operation}")


def _page(
    world: World, caller: Caller, query: Query, faults: dict[str, Any], entry: dict[str, Any]
) -> Answer:
    request = _request_text(caller, query)
    scripts = world.answers.get((caller.account, caller.region, query.operation))
    kind = "answers" if scripts else "builds"
    position = _position(world, query, request, kind, faults)
    entry["page"] = position.page
    if scripts:
        return _scripted(world, scripts, request, position)
    clock = world.clock
    page = _find(world, caller, query, position, clock, faults)
    texts = [text for _, _, text in page.items]
    if faults.get("repeat_last") and position.last_image >= 0 and kind == "builds":
        texts = _repeated(world, caller, query, position, clock) + texts
    if faults.get("unknown_members") and query.operation == "ListImageBuildVersions":
        texts = [with_unknown_members(text) for text in texts]
    following = _following(position, page)
    token = world.tokens.mint(following, request) if following else None
    if faults.get("same_token") and (query.token or token):
        token = query.token or token
    entry["items"] = len(texts)
    seed = f"{world.settings.seed}/{clock}/{request}/{query.token}/{query.max_results}"
    digest = blake2b(seed.encode(), digest_size=16).hexdigest()
    extra = NEWER_PAGE if faults.get("unknown_members") else ""
    return _answer(query, Result(texts, token, uuid_text(digest)), extra)


def _answer(query: Query, result: Result, extra: str) -> Answer:
    tail = f',"nextToken":"{result.token}"}}' if result.token else "}"
    text = (
        f'{{"requestId":"{result.request_id}","{LISTS[query.operation]}":'
        f"[{','.join(result.items)}]{extra}{tail}"
    )
    return Answer(200, text.encode(), headers=(("x-amzn-RequestId", result.request_id),))


def _request_text(caller: Caller, query: Query) -> str:
    filters = sorted((name, sorted(values)) for name, values in query.filters.items())
    return (
        f"{caller.account}/{caller.region}/{query.operation}/{query.arn}/{filters}/"
        f"{query.owner}/{query.by_name}/{query.has_deprecated}"
    )


def _position(
    world: World, query: Query, request: str, kind: str, faults: dict[str, Any]
) -> Position:
    if query.token is None:
        return Position(kind, 0, 0, 0)
    try:
        position = world.tokens.read(str(query.token), request)
    except InvalidTokenError as error:
        raise ApiError(*ERRORS["invalid_token"]) from error
    most = faults.get("expire_token_after_pages")
    if position.kind != kind or (most is not None and position.page >= most):
        raise ApiError(*ERRORS["invalid_token"])
    return position


def _find(
    world: World,
    caller: Caller,
    query: Query,
    position: Position,
    clock: int,
    faults: dict[str, Any],
) -> Page:
    start, budget = (position.image, position.slot), query.max_results
    if faults.get("short_pages"):
        dice = blake2b(repr(position).encode(), digest_size=4).digest()
        budget = 0 if dice[0] % 4 == 0 else int.from_bytes(dice[1:]) % (budget + 1)
    choice = _choice(world, caller, query)
    if query.operation == "ListImageBuildVersions":
        return scan_builds(choice, start, budget, clock, build_json)
    if query.by_name:
        return _names(choice, start[0], budget)
    has_retired = query.owner == "Self" or query.has_deprecated
    return scan_versions(choice, start, budget, clock, version_json, has_retired)


def _choice(world: World, caller: Caller, query: Query) -> Choice:
    filters = [(FILTERS[name], query.filters[name]) for name in FILTERS if name in query.filters]

    def matches(image: Image) -> bool:
        return all(getattr(image, name) in values for name, values in filters)

    versions = query.filters.get("version", frozenset())
    if query.arn is None:
        images = world.images(caller.account, caller.region, query.owner)
        return Choice(images, matches, versions, None)
    found = IMAGE_ARN.fullmatch(query.arn)
    image_arn, version = found.groups() if found else ("", "0.0.0")
    image = world.find_image(caller.account, caller.region, image_arn)
    if image is None:
        return Choice((), matches, versions, None)
    return Choice((image,), matches, versions, image.find_version(version))


def _names(choice: Choice, start: int, budget: int) -> Page:
    stop = min(start + budget, len(choice.images))
    items = [
        (index, 0, name_json(choice.images[index]))
        for index in range(start, stop)
        if choice.matches(choice.images[index])
    ]
    return Page(items, (stop, 0) if stop < len(choice.images) else None)


def _repeated(
    world: World, caller: Caller, query: Query, position: Position, clock: int
) -> list[str]:
    """Return the last item of the page before once more, its state changed."""
    if query.operation != "ListImageBuildVersions":
        return []
    image = _choice(world, caller, query).images[position.last_image]
    build = build_at(image, position.last_slot, clock)
    return [with_changed_state(build_json(build))] if build else []


def _following(position: Position, page: Page) -> Position | None:
    if page.following is None:
        return None
    last = page.items[-1][:2] if page.items else (-1, -1)
    return Position(position.kind, *page.following, position.page + 1, *last)


def _scripted(world: World, scripts: list[Script], request: str, position: Position) -> Answer:
    if position.image >= len(scripts):
        raise ApiError(*ERRORS["invalid_token"])
    script, text = scripts[position.image], scripts[position.image].text
    if script.tail and position.image + 1 < len(scripts):
        following = Position("answers", position.image + 1, 0, position.page + 1)
        token = world.tokens.mint(following, request)
        text = f'{script.head}"nextToken":"{token}"{script.tail}'
    headers = (("x-amzn-RequestId", str(uuid.uuid4())),)
    return Answer(200, text.encode("utf-8", "surrogatepass"), headers=headers)
