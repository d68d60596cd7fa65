"""What was served, what botocore parses of it, and what the tables hold: compared build by build."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.model import Shape
from botocore.parsers import RestJSONParser

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from tests.fuzz.answers import ANSWER, SUMMARY
from tests.fuzz.fleets import Fleet, Page, last_seen
from tests.reassemble import Build, Target, differences, read_builds


@dataclass
class Compared:
    """How many builds were compared, of these with botocore's parse too; and what differed."""

    builds: int = 0
    with_botocore: int = 0
    differences: list[str] = field(default_factory=list)


def targets_of(emulator: Emulator, regions: Sequence[str]) -> list[Target]:
    """Every account in every region."""
    return [(account, region) for account in emulator.accounts for region in regions]


def snapshot_of(emulator: Emulator, fleet: Fleet, parameters: SnapshotParameters) -> None:
    """Serves the fleet over HTTP and takes a snapshot of it, in which every target is read."""
    emulator.clear_answers()
    for target, pages in fleet.items():
        emulator.set_answers(*target, [page.body for page in pages])
    summary = take_snapshot(parameters)
    if unread := [f"{t.outcome}: {t.outcome.error_message}" for t in summary.unread]:
        raise AssertionError(f"not read: {'; '.join(unread)}")


def compare(fleet: Fleet, lake: Path) -> Compared:
    """Each ARN's last build and each build without one, with what the lake's newest run has."""
    compared, read = Compared(), read_builds(lake)
    if foreign := set(read) - set(fleet):
        compared.differences.append(f"builds of targets that sent none: {foreign}")
    for target, pages in fleet.items():
        of_botocore = [parsed_by_botocore(page) if page.is_modelled else None for page in pages]
        for (number, position), got in _pairs(target, pages, read[target], compared):
            sent = pages[number].builds[position]
            found = list(differences(sent, got))
            compared.builds += 1
            if (parsed := of_botocore[number]) is not None:
                compared.with_botocore += 1
                known = in_shape(SUMMARY, got)
                found += [f"botocore: {d}" for d in differences(parsed[position], known)]
            name = f"{'/'.join(target)}, page {number + 1}, build {position + 1}"
            compared.differences += [f"{name}: {difference}" for difference in found]
    return compared


def problems_of(check: Callable[[], Sequence[str]]) -> list[str]:
    """What differed, or the error that kept it from being compared."""
    try:
        return list(check())
    except Exception as error:  # whatever it is, it is a finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        return [f"{type(error).__name__} at {last.filename}:{last.lineno}: {error}"]


def parsed_by_botocore(page: Page) -> list[Build]:
    """The page's builds as botocore hands them out, instants as epoch seconds."""
    answer = {"status_code": 200, "headers": {}, "body": page.body.encode()}
    parsed: list[Build] = RestJSONParser().parse(answer, ANSWER).get("imageSummaryList", [])
    for build in parsed:
        if isinstance(instant := build.get("deprecationTime"), datetime):
            build["deprecationTime"] = instant.timestamp()
    return parsed


def in_shape(shape: Shape, value: Any) -> Any:
    """What botocore's model knows of a value: members that it does not name are left out."""
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members
        return {name: in_shape(members[name], value[name]) for name in members if name in value}
    if shape.type_name == "list" and isinstance(value, list):
        return [in_shape(shape.member, item) for item in value]
    return value


def _pairs(
    target: Target, pages: Sequence[Page], read: Sequence[Build], compared: Compared
) -> Iterator[tuple[tuple[int, int], Build]]:
    """Where each build was sent, and as what it was read: by ARN, else by the order among those."""
    sent = sorted(last_seen(pages), key=lambda place: (-place[0], place[1]))  # the last page first
    keys = [_keys([pages[number].builds[position] for number, position in sent]), _keys(read)]
    by_key = dict(zip(keys[1], read, strict=True))
    if sorted(map(repr, keys[0])) != sorted(map(repr, keys[1])):
        lost, made_up = (Counter(a) - Counter(b) for a, b in (keys, keys[::-1]))
        words = f"lost {list(lost)[:5]}, made up {list(made_up)[:5]}"
        compared.differences.append(f"{'/'.join(target)}: {words}")
    for place, key in zip(sent, keys[0], strict=True):
        if key in by_key:
            yield place, by_key[key]


def _keys(builds: Sequence[Build]) -> list[str | int]:
    found: list[str | int] = []
    without = 0
    for build in builds:
        arn = build.get("arn")
        without += not isinstance(arn, str)
        found.append(arn if isinstance(arn, str) else without)
    return found
