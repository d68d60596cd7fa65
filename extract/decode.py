"""From a page's bytes to typed elements: nothing that was sent is dropped on the way.

The elements' types are derived from the tables' columns, so a member is either covered by a column
or unknown. A page is first decoded strictly, with types that refuse unknown members. Only where that
fails is each element taken apart by itself, and whatever has no column, or does not fit its column,
is kept as JSON in the element's `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa
from msgspec import Raw

from extract.parse import is_instant
from schemas.table import INSTANT, TAGS, TEXT, Table
from schemas.tables import DATA_TABLES

Element = Any
"""An instance of a derived type: attributes are named as the API's members, and `extra_`."""

LISTED: Final = "imageSummaryList"
EXTRA_MEMBER: Final = "extra_"
EXTRA_KEY: Final = uuid4().hex
"""What `extra_` is called in JSON: nothing that anyone can send."""

_WIRE_TYPES: Final[dict[pa.DataType, Any]] = {
    TEXT: str,
    INSTANT: int | float,  # epoch seconds
    TAGS: dict[str, str | None],
}
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair is one character
    rb"|\\u([dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."  # so that an escaped backslash begins no other escape
)
_MARK_TEXT: Final = (
    b"mark" + uuid4().hex.encode()
)  # no hex digit first: a `\u` before it stays wrong
_MARK: Final = re.compile(_MARK_TEXT + rb"([0-9a-fA-F]{4})")

_Rest = dict[str, Any]
"""What an element has and no column holds: raw JSON by member, nested like the element."""


def decode_page(body: bytes) -> list[Element]:
    """The page's elements, in the order in which they were sent."""
    try:
        elements: list[Element] = _page_decoder.decode(body).imageSummaryList or []
    except msgspec.MsgspecError:
        return _decode_each(body)
    if not all(map(_is_to_the_letter, elements)):
        return _decode_each(body)
    return elements


def refitted(builds: list[Element]) -> bytes:
    """A page of these builds as JSON of the columns' types: `tags` as pairs, `extra` by EXTRA_KEY."""
    return msgspec.json.encode({LISTED: [_with_tags_as_pairs(build) for build in builds]})


def _with_tags_as_pairs(build: Element) -> Element:
    if build.tags is None:
        return build
    pairs = [{"key": key, "value": value} for key, value in sorted(build.tags.items())]
    return msgspec.structs.replace(build, tags=pairs)


def _is_to_the_letter(build: Element) -> bool:
    """Whether it has an ARN, which its children name, and an instant holds each of its times."""
    return build.arn is not None and all(is_instant(getattr(build, name)) for name in INSTANTS)


def _decode_each(body: bytes) -> list[Element]:
    try:
        items = _raw_page_decoder.decode(body).imageSummaryList or []
    except msgspec.MsgspecError:
        marked = with_lone_surrogates_marked(body)
        items = _raw_page_decoder.decode(marked).imageSummaryList or []
        return [_decode_marked_build(bytes(item)) for item in items]
    return [_decode_build(item) for item in items]


def _decode_marked_build(item: bytes) -> Element:
    """A build of a page with lone surrogates, which no UTF-8 column can hold.

    Where it has some, the columns get U+FFFD in their place, and `extra` the element as it was sent.
    An ARN that has some is none: two that differ in them alone would be one in the column.
    """
    build = _decode_build(Raw(_MARK.sub(rb"\\ufffd", item)))
    if _MARK.search(item):
        build.extra_ = _MARK.sub(rb"\\u\1", item).decode()
        if build.arn is not None and _MARK.search(_members_of(item)["arn"]):
            build.arn = None
            _take_children(build)
    return build


def with_lone_surrogates_marked(body: bytes) -> bytes:
    """The body with a mark for each escape of a lone surrogate, which no decoder takes."""
    return _ESCAPE.sub(lambda match: _MARK_TEXT + match[1] if match[1] else match[0], body)


def _decode_build(item: Raw) -> Element:
    build, rest = _fit(item, BUILD)
    if build.arn is None:
        _keep_children_in(rest, build, item)
    for name in INSTANTS:
        if not is_instant(getattr(build, name)):
            rest[name] = _members_of(item)[name]
    build.extra_ = _to_json(rest)
    return build


def _keep_children_in(rest: _Rest, build: Element, item: Raw) -> None:
    """A build without an ARN cannot be a child row's parent: its lists stay with itself."""
    members = _members_of(item)
    rest.update({name: members[name] for name in ("state", "outputResources") if name in members})
    _take_children(build)


def _take_children(build: Element) -> None:
    build.outputResources = None
    if build.state and build.state.failureContext:
        build.state.failureContext.distributionFailure = None


def _members_of(item: Raw | bytes) -> dict[str, Raw]:
    return msgspec.json.decode(item, type=dict[str, Raw])


def _fit(item: Raw, kind: type[msgspec.Struct]) -> tuple[Element, _Rest]:
    """The element as its type, and what of it does not fit there. Raises where it is no object."""
    fitting: dict[str, Any] = {}
    rest: _Rest = {}
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name, value in _members_of(item).items():
        if name not in types or name == EXTRA_MEMBER:
            rest[name] = value
            continue
        try:
            fitting[name] = msgspec.json.decode(value, type=types[name])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _fit_member(name, value, fitting, rest, kind)
    return kind(**fitting), rest


def _fit_member(
    name: str, value: Raw, fitting: dict[str, Any], rest: _Rest, kind: type[msgspec.Struct]
) -> None:
    try:
        if (member_kind := _MEMBERS.get((kind, name))) is not None:
            fitting[name], member_rest = _fit(value, member_kind)
            if member_rest:
                rest[name] = member_rest
            return
        if (element_kind := _LIST_ELEMENTS.get((kind, name))) is not None:
            items = msgspec.json.decode(value, type=list[Raw])
            fitting[name] = [_fit_element(item, element_kind) for item in items]
            return
    except msgspec.MsgspecError:
        fitting.pop(name, None)
    rest[name] = value


def _fit_element(item: Raw, kind: type[msgspec.Struct]) -> Element:
    element, rest = _fit(item, kind)
    element.extra_ = _to_json(rest)
    return element


def _to_json(rest: _Rest) -> str | None:
    return msgspec.json.encode(rest).decode() if rest else None


_MEMBERS: Final[dict[tuple[type, str], type[msgspec.Struct]]] = {}
_LIST_ELEMENTS: Final[dict[tuple[type, str], type[msgspec.Struct]]] = {}


def _wire_paths(tables: Iterable[Table]) -> dict[str, pa.DataType]:
    """Every member path that some column holds to the letter, with the column's type."""
    return {
        f"{element}.{column.source}".strip("."): column.type
        for table in tables
        for element in table.elements
        for column in table.columns
        if column.is_to_the_letter
    }


def grouped(paths: dict[str, pa.DataType]) -> Iterator[tuple[str, bool, dict[str, pa.DataType]]]:
    """The members that paths begin with: name, whether it is a list, and the paths below it.

    A member that is a value has the path "" below it.
    """
    members: dict[str, dict[str, pa.DataType]] = {}
    for path, kind in paths.items():
        head, _, tail = path.partition(".")
        members.setdefault(head, {})[tail] = kind
    for head, below in members.items():
        yield head.removesuffix("[]"), head.endswith("[]"), below


def _derive(name: str, paths: dict[str, pa.DataType], is_element: bool) -> type[msgspec.Struct]:
    """The type of an object whose members are the first segments of `paths`."""
    nested: dict[str, tuple[type[msgspec.Struct], bool]] = {}
    fields: list[tuple[str, Any, Any]] = []
    for member, is_list, below in grouped(paths):
        if "" in below:
            plain = list[str | None] if is_list else _WIRE_TYPES[below[""]]
            fields.append((member, plain | None, None))
        else:
            kind = _derive(member[0].upper() + member[1:], below, is_list)
            nested[member] = (kind, is_list)
            fields.append((member, (list[kind] if is_list else kind) | None, None))  # type: ignore[valid-type]  # a type made at run time
    if is_element:
        fields.append((EXTRA_MEMBER, str | None, None))
    derived = msgspec.defstruct(
        name,
        fields,
        rename={EXTRA_MEMBER: EXTRA_KEY},
        forbid_unknown_fields=True,
        omit_defaults=True,
        gc=False,
    )
    for member, (kind, is_list) in nested.items():
        (_LIST_ELEMENTS if is_list else _MEMBERS)[derived, member] = kind
    return derived


def _page_of(kind: Any) -> Any:
    return msgspec.defstruct("Page", [(LISTED, list[kind] | None, None)])


WIRE_PATHS: Final = _wire_paths(DATA_TABLES)
INSTANTS: Final = [path for path, kind in WIRE_PATHS.items() if kind == INSTANT]
"""The members that are times, all of them a build's own."""
BUILD: Final = _derive("Build", WIRE_PATHS, is_element=True)
_page_decoder: Final = msgspec.json.Decoder(_page_of(BUILD))
_raw_page_decoder: Final = msgspec.json.Decoder(_page_of(Raw))
