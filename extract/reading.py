"""Pages' bodies as Arrow arrays of builds: no Python object for any one value, and nothing dropped.

Arrow's JSON reader takes the bodies as they came where every member is one that a column holds, which
is the usual case, in three quarters of the time that objects of Python's took. It stops at whatever
else a body can be: a member that it does not know, a value of another type, a name that comes twice,
half a character. The bodies read together are then decoded one by one (extract/decode.py), for twice
the time, and given to it as JSON that it takes, where what has no column is a member of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from extract.decode import (
    EXTRA_KEY,
    INSTANTS,
    LISTED,
    WIRE_PATHS,
    decode_page,
    grouped,
    refitted,
)
from extract.parse import are_instants
from schemas.table import INSTANT, TAGS, TEXT

MOST_TAG_KEYS: Final = 100
"""So many are looked for in every build, for 0.15 µs each; to decode a build by itself takes 19 µs."""

_NULL: Final = re.compile(rb"(?:\A|[:,\[\n])[ \t\r\n]*null")
_PAIRS: Final = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))


class BuildReader:
    """Reads bodies, and learns meanwhile which tags builds have, since Arrow has to be told."""

    def __init__(self) -> None:
        self._tag_keys: set[str] = set()
        self._type = _page_type(self._tag_keys)

    def read(self, bodies: Sequence[bytes]) -> pa.ListArray:
        """The builds of each body, a list of objects; `tags` are of one of two forms (`tags_of`).

        Each body is that of a page of builds, which `open_envelope` has taken. Raises MsgspecError or
        UnicodeDecodeError where one is none any more.
        """
        for body in bodies:
            if not body.isascii():
                body.decode()  # raises where a raw page was damaged, which Arrow does not look for
        lines = b"\n".join(bodies)
        # a null tag could not be told from none; looked for from the end, it takes half the time
        if lines.rfind(b"null") < 0 or not _NULL.search(lines):
            with suppress(pa.ArrowInvalid):
                lists = _parsed(lines, self._type)
                if len(lists) == len(bodies) and _is_to_the_letter(lists.values):
                    return lists
        pages = [decode_page(body) for body in bodies]
        self._learn({key for builds in pages for build in builds for key in build.tags or ()})
        return _parsed(b"\n".join(map(refitted, pages)), _REFITTED)

    def _learn(self, keys: set[str]) -> None:
        """Adds the keys to those that are looked for; where they were too many, in their place."""
        for known in (self._tag_keys | keys, keys):
            if len(known) <= MOST_TAG_KEYS:
                self._tag_keys = known
                self._type = _page_type(known)
                return


def _parsed(lines: bytes, page: pa.Schema) -> pa.ListArray:
    """The builds of each line. Raises ArrowInvalid at what the type has no place for."""
    table = pyarrow.json.read_json(
        pa.BufferReader(lines),
        pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),  # one block
        pyarrow.json.ParseOptions(explicit_schema=page, unexpected_field_behavior="error"),
    )
    return table.column(LISTED).combine_chunks()


def _is_to_the_letter(builds: pa.StructArray) -> bool:
    """Whether every build has an ARN, which its children name, and an instant holds each time."""
    if member(builds, "arn").null_count:
        return False
    return all(are_instants(member(builds, name)) for name in INSTANTS)


def member(elements: pa.StructArray, path: str) -> pa.Array:
    """The values at a path of the elements: one an element, NULL where it or a parent is absent."""
    for name in path.split("."):
        elements = elements.field(name)  # what is below an absent object is absent too
    return elements


def tags_of(values: pa.Array) -> pa.MapArray:
    """Maps of objects or of lists of pairs, sorted by key: the service sends them in any order."""
    absent = values.is_null()
    if values.type == _PAIRS:
        return pa.MapArray.from_arrays(values.offsets, *values.values.flatten(), mask=absent)
    # of an additional key none has a value: so there is a key always
    names = ["", *(field.name for field in values.type)]
    key_by_key = pa.concat_arrays([pa.nulls(len(values), pa.string()), *values.flatten()])
    numbers = counted(len(key_by_key))
    row = pc.divide(numbers, pa.scalar(len(names), pa.int32()))
    key = pc.subtract(numbers, pc.multiply(row, pa.scalar(len(names), pa.int32())))
    items = key_by_key.take(pc.add(pc.multiply(key, pa.scalar(len(values), pa.int32())), row))
    is_sent = items.is_valid()
    return pa.MapArray.from_arrays(
        offsets_of(is_sent.cast(pa.int32())).take(
            pc.multiply(counted(len(values) + 1), pa.scalar(len(names), pa.int32()))
        ),
        pa.array(names, pa.string()).take(key.filter(is_sent)),
        items.drop_null(),
        mask=absent,
    )


def counted(count: int) -> pa.Array:
    """The numbers from 0 on, so many, in a tenth of the time that Python's would take."""
    return pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int32()), count), start=-1)


def offsets_of(counts: pa.Array) -> pa.Array:
    """Where each of lists of so many begins, and where the last one ends."""
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(counts)])


def _page_type(tag_keys: Iterable[str]) -> pa.Schema:
    """What a page is as it came; `tags` is an object with these members."""
    tags = pa.struct([(key, pa.string()) for key in sorted(tag_keys)])
    around = [("requestId", pa.string()), ("nextToken", pa.string())]
    return pa.schema([*around, _listed(tags)])


def _listed(tags: pa.DataType) -> tuple[str, pa.DataType]:
    types = {TEXT: pa.string(), INSTANT: pa.float64(), TAGS: tags}
    return LISTED, pa.list_(_object_type(WIRE_PATHS, types, is_element=True))


def _object_type(
    paths: dict[str, pa.DataType], types: dict[pa.DataType, pa.DataType], *, is_element: bool
) -> pa.DataType:
    """The type of an object whose members are the first segments of `paths`."""
    fields = [(EXTRA_KEY, pa.string())] if is_element else []
    for name, is_list, below in grouped(paths):
        plain = below.get("")
        kind = types[plain] if plain else _object_type(below, types, is_element=is_list)
        fields.append((name, pa.list_(kind) if is_list else kind))
    return pa.struct(fields)


_REFITTED: Final = pa.schema([_listed(_PAIRS)])
