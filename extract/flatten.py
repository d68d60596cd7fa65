"""Landed pages as Arrow tables: a pure function of the pages, column by column, in flat memory.

A target's pages are read from the last to the first, so the first sight of an ARN is the last that
the API sent, and a row can be handed on at once. Every build that was sent comes out exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, pairwise
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from extract.asks import LIST_BUILDS
from extract.decode import EXTRA_KEY
from extract.landing import LandedPage
from extract.parse import PARSERS, Columns, epoch_seconds
from extract.reading import BuildReader, counted, member, offsets_of, tags_of
from schemas.image_amis import IMAGE_AMIS
from schemas.image_builds import IMAGE_BUILDS
from schemas.image_containers import IMAGE_CONTAINERS
from schemas.image_region_failures import IMAGE_REGION_FAILURES
from schemas.table import INSTANT, REST, TAGS, TEXT, Column, Table

BATCH_BYTES: Final = 4 << 20
"""Pages are turned into columns together up to this many bytes of JSON: about 3,500 builds."""

Tables = dict[str, pa.Table]


def flatten(
    pages: Iterable[LandedPage], listed: Counter[tuple[str, str]] | None = None
) -> Iterator[Tables]:
    """The four data tables of the pages, in batches; each batch has all four.

    Only the pages of a target's last attempt count. Where a target lists an ARN twice, the last
    seen is kept. `listed` gains, by account and region, the builds that count of the pages read.
    """
    reader = BuildReader()
    last_seen = _LastSeen(reader)
    for batch in _batches(_pages_that_count(pages)):
        lists = reader.read([page.read_body() for page in batch])
        builds, page_of = lists.flatten(), pc.list_parent_indices(lists)
        kept = last_seen.of(batch, lists)
        if listed is not None:
            for page, are_kept in zip(batch, kept, strict=True):
                listed[page.account_id, page.region] += sum(are_kept)
        if not all(map(all, kept)):
            is_kept = pa.array(chain.from_iterable(kept), pa.bool_())
            builds, page_of = builds.filter(is_kept), page_of.filter(is_kept)
        if len(builds):
            yield _tables_of(_Elements(builds), _of_pages(batch, page_of))


def _pages_that_count(pages: Iterable[LandedPage]) -> Iterator[LandedPage]:
    """The pages of builds of each target's last attempt, the last first."""
    for _, group in groupby(sorted(pages, key=_target), key=_target):
        of_target = list(group)
        last_attempt = max(page.attempt for page in of_target)
        for page in reversed(of_target):
            if page.attempt == last_attempt and page.operation == LIST_BUILDS:
                yield page


def _batches(pages: Iterable[LandedPage]) -> Iterator[list[LandedPage]]:
    """The first page by itself: what is learned of its tags spares the next ones being decoded."""
    batch: list[LandedPage] = []
    size_bytes, enough_bytes = 0, 1
    for page in pages:
        batch.append(page)
        size_bytes += page.body_bytes
        if size_bytes >= enough_bytes:
            yield batch
            batch, size_bytes, enough_bytes = [], 0, BATCH_BYTES
    if batch:
        yield batch


def _target(page: LandedPage) -> tuple[str, str]:
    return page.account_id, page.region


class _LastSeen:
    """Which builds are the last that their target sent of their ARN; a target's last page comes first.

    ARNs are met by their hash, which keeps a million of them in 70 MB; only when a hash comes twice
    are the ARNs themselves gathered, by reading the pages before once more.
    """

    def __init__(self, reader: BuildReader) -> None:
        self._reader = reader
        self._begin()

    def _begin(self) -> None:
        self._pages: list[LandedPage] = []
        self._hashes: set[int] = set()
        self._seen: set[str] | None = None

    def of(self, pages: Sequence[LandedPage], lists: pa.ListArray) -> list[list[bool]]:
        """For each page, whether each of its builds counts and is the last of its ARN."""
        return [
            [False] * before + self._are_last(page, arns) + [False] * after
            for page, (before, arns, after) in zip(
                pages, _arns_that_count(pages, lists), strict=True
            )
        ]

    def _are_last(self, page: LandedPage, arns: list[str | None]) -> list[bool]:
        if self._pages and _target(self._pages[0]) != _target(page):
            self._begin()
        hashes = set(map(hash, arns))
        is_new = len(hashes) == len(arns) and self._hashes.isdisjoint(hashes)
        if self._seen is None and not is_new:
            self._seen = set(self._arns_before())
        self._hashes |= hashes
        self._pages.append(page)
        return [True] * len(arns) if self._seen is None else _are_unseen(arns, self._seen)

    def _arns_before(self) -> Iterator[str]:
        for page in self._pages:
            lists = self._reader.read([page.read_body()])
            for _, arns, _ in _arns_that_count([page], lists):
                yield from (arn for arn in arns if arn is not None)


def _arns_that_count(
    pages: Sequence[LandedPage], lists: pa.ListArray
) -> Iterator[tuple[int, list[str | None], int]]:
    """For each page, how many of its builds do not count, the ARNs of those that do, how many not."""
    arns = member(lists.flatten(), "arn").to_pylist()
    for page, (start, end) in zip(pages, pairwise(lists.offsets.to_pylist()), strict=True):
        first = min(start + page.first_item, end)
        last = min(first + page.item_count, end)
        yield first - start, arns[first:last], end - last


def _are_unseen(arns: list[str | None], seen: set[str]) -> list[bool]:
    """Whether each, from the last on, is not in `seen`, which gains it; no ARN is in it never."""
    are_unseen = []
    for arn in reversed(arns):
        are_unseen.append(arn not in seen)
        if arn is not None:
            seen.add(arn)
    return are_unseen[::-1]


def _of_pages(pages: Sequence[LandedPage], page_of: pa.Array) -> Columns:
    """What is known of the page of each build."""
    known = {
        "account_id": pa.array([page.account_id for page in pages], TEXT),
        "region": pa.array([page.region for page in pages], TEXT),
        "ownership": pa.array([page.ownership for page in pages], TEXT),
        "captured_at": pa.array([page.arrived_at for page in pages], INSTANT),
    }
    return {name: column.take(page_of) for name, column in known.items()}


@dataclass(frozen=True)
class _Elements:
    """The objects that are rows, and values of theirs by path that are not their members'."""

    objects: pa.StructArray
    beside: Columns = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.objects)

    def at(self, path: str) -> pa.Array:
        """The values at a path, one an element."""
        return self.beside[path] if path in self.beside else member(self.objects, path)


def _tables_of(builds: _Elements, of_page: Columns) -> Tables:
    build_table = _table(IMAGE_BUILDS, builds, of_page)
    of_build = {**of_page, "image_arn": builds.at("arn")}
    amis = _Children(builds.at("outputResources.amis"), of_build)
    containers = _Children(builds.at("outputResources.containers"), of_build)
    failures_path = "state.failureContext.distributionFailure.regionFailures"
    of_builds = _Children(builds.at(failures_path), of_build)
    of_amis = _Children(amis.elements.at(failures_path), amis.columns)
    ami_position = {"ami_position": of_amis.parent_column("position")}
    return {
        "image_builds": build_table,
        "image_amis": _table(IMAGE_AMIS, amis.elements, amis.columns),
        "image_containers": _table(IMAGE_CONTAINERS, *_uris(containers)),
        "image_region_failures": pa.concat_tables(
            [
                _table(IMAGE_REGION_FAILURES, of_builds.elements, of_builds.columns),
                _table(IMAGE_REGION_FAILURES, of_amis.elements, of_amis.columns | ami_position),
            ]
        ),
    }


def _places(lists: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Of each item the number of its list, and its position there."""
    parent = pc.list_parent_indices(lists)
    return parent, pc.subtract(counted(len(parent)), lists.offsets.take(parent))


class _Children:
    """The elements of one list member of many parents, with each one's parent and position."""

    def __init__(self, lists: pa.ListArray, parents: Columns) -> None:
        self.elements = _Elements(lists.flatten())
        self._parents = parents
        self._parent, position = _places(lists)
        names = ("account_id", "region", "captured_at", "image_arn")
        self.columns = {name: self.parent_column(name) for name in names} | {"position": position}

    def parent_column(self, name: str) -> pa.Array:
        """The parents' column, repeated for each child."""
        return self._parents[name].take(self._parent)


def _uris(containers: _Children) -> tuple[_Elements, Columns]:
    """Containers, one row an image URI, or one row where a container has none."""
    lists = containers.elements.at("imageUris")
    counts = pc.fill_null(pc.list_value_length(lists), 0)
    one = pa.scalar(1, pa.int32())
    offsets = offsets_of(pc.max_element_wise(counts, one))
    rows = pa.ListArray.from_arrays(offsets, pa.nulls(offsets[-1].as_py()))
    container, position = _places(rows)
    has_uri = pc.greater(counts, 0).take(container)
    uri = pc.subtract(pc.cumulative_sum(has_uri.cast(pa.int32())), one)
    uris = lists.flatten().take(pc.if_else(has_uri, uri, None))
    columns = {name: column.take(container) for name, column in containers.columns.items()}
    columns["uri_position"] = pc.if_else(has_uri, position, None)
    objects = containers.elements.objects.take(container)
    return _Elements(objects, {"imageUris[]": uris}), columns


def _table(table: Table, elements: _Elements, ours: Columns) -> pa.Table:
    """The table's columns: `ours`, then those read or parsed off the elements, `extra` last."""
    columns = dict(ours)
    for column in table.columns:
        if column.name in columns:
            continue
        if column.is_to_the_letter:
            columns[column.name] = _column(column, elements.at(column.source))
        elif column.parser:
            columns |= PARSERS[column.parser](elements.at(column.source))
        elif column.source == REST:
            columns[column.name] = elements.at(EXTRA_KEY)
    arrays = [
        columns.get(column.name, pa.nulls(len(elements), column.type)) for column in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


def _column(column: Column, values: pa.Array) -> pa.Array:
    if column.type == INSTANT:
        return epoch_seconds(values)
    return tags_of(values) if column.type == TAGS else values
