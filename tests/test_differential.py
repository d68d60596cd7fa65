"""What the API sent is put together again from the Parquet tables, whatever it was.

2,000 builds are drawn from the installed botocore's own model of an answer with a fixed seed, made
strange in every way that JSON allows, served over HTTP, taken through the whole pipeline, and put
together again by `tests.reassemble`, which shares no code with the pipeline.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import botocore.session
import pytest
from botocore.model import Shape

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from tests.reassemble import Build, Target, differences, read_builds, table_rows

SEED = 20191202
BUILDS = 2_000
REGIONS = ("us-east-1", "eu-west-1", "us-west-2")
SUMMARY: Shape = (
    botocore.session.get_session().get_service_model("imagebuilder").shape_for("ImageSummary")
)

WORDS = (
    "Golden Amazon Linux 2023",
    'it\'s "quoted" \\ and `ticked`; drop table image_builds; --',
    "NULL",
    "nul \x00 and others \x01\b\t\n\r\x1b\x1f\x7f\x85",
    "💿 مرحبا שלום 日本語 e\u0301 \u2028 \u202e \ufeff \ufffd \U0010ffff",
    "</script>,a;b|c\t{}[]%s${x}",
    " leading and trailing ",
    "0",
    "1e5",
    "true",
    "x" * 1_000,
)
SURROGATES = ("half \ud83d of a pair", "\udcff", "\udc00\ud800", "\ud83d💿")
DATES = (
    "2020-02-14T21:29:18.810Z",
    "2025-11-20T12:00:00Z",
    "2025-11-20T12:00:00.123456789+05:30",
    "2025-02-30T00:00:00Z",
    "last Tuesday",
    "1581715758",
)
INSTANTS = (
    1_735_689_600,
    1_735_689_600.5,
    1_735_689_600.123456,
    1_735_689_600.1234567,
    1_735_689_600_000,
    -1,
    0,
    10**29,
)
VERSIONS = ("1.0.0", "1.10.0", "2019.12.03", f"{'9' * 30}.0.1", "1.2", "x.x.x")
NOTHINGS: tuple[Any, ...] = (None, {}, [], "")
MISFITS: tuple[Any, ...] = (
    7,
    2.5,
    -(10**30),
    True,
    False,
    "text",
    [None],
    [[]],
    [1, "2", None],
    {"new": [{}]},
)
UNKNOWN_VALUES: tuple[Any, ...] = (
    *MISFITS,
    *NOTHINGS,
    1e-320,
    12345678901234567890,
    {"": {"a.b": [1, {"c": 2}]}},
)
UNKNOWN_NAMES = ("newMember", "extra", "extra_", "ARN", "", "a.b", "x y", "naïve", "run_id")


class Fleet(NamedTuple):
    """What each target sends: the bodies of its pages, and the builds in them, page by page."""

    bodies: dict[Target, list[str]]
    pages: dict[Target, list[list[Build]]]


class Draw:
    """Draws builds by the model; `is_strange` adds what no model foresees."""

    def __init__(self, seed: int, is_strange: bool) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a fixed seed, no secret
        self.is_strange = is_strange
        self.arns: list[str] = []
        self._density = self._strangeness = 0.0

    def fleet(self, targets: list[Target], builds: int) -> Fleet:
        """Pages of 0 to 40 builds, dealt out to the targets."""
        fleet = Fleet(defaultdict(list), defaultdict(list))
        while builds:
            size = min(builds, self.dice.choice((0, 0, 1, 2, 7, 25, 40)))
            builds -= size
            target = self.dice.choice(targets)
            page = [self.build() for _ in range(size)]
            fleet.pages[target].append(page)
            fleet.bodies[target].append(self.body(page))
        return fleet

    def build(self) -> Build:
        self._density = self.dice.choice((0.2, 0.6, 0.95, 1.0))
        self._strangeness = self.dice.choice((0, 0, 0.02, 0.2)) if self.is_strange else 0
        build = self.members(SUMMARY)
        build["arn"] = self.arn()
        if self.is_strange and self.dice.random() < 0.05:
            build["arn"] = self.dice.choice((None, 7, ["arn"], {"arn": "arn"}))
            if self.dice.random() < 0.5:
                del build["arn"]
        return build

    def arn(self) -> str:
        """Mostly new; one in ten is one that some target, often this one, has sent before."""
        if self.is_strange and self.arns and self.dice.random() < 0.1:
            return self.dice.choice(self.arns[-60:])
        owner = self.dice.choice(("111122223333", "222233334444", "aws", "third-party"))
        version = self.dice.choice(VERSIONS)
        slug = f"image-{len(self.arns)}"
        self.arns.append(f"arn:aws:imagebuilder:us-east-1:{owner}:image/{slug}/{version}/1")
        return self.arns[-1]

    def value(self, shape: Shape, name: str) -> Any:
        if self.dice.random() < self._strangeness:
            return self.dice.choice((*NOTHINGS, *MISFITS))
        match shape.type_name:
            case "structure":
                return self.members(shape)
            case "list":
                return [self.value(shape.member, name) for _ in range(self.dice.choice((0, 1, 3)))]
            case "map":
                return {self.text(): self.text() for _ in range(self.dice.choice((0, 1, 5)))}
            case "timestamp":
                return self.dice.choice(INSTANTS if self.is_strange else INSTANTS[:3])
            case "string":
                return self.string(shape, name)
        raise AssertionError(f"the model has a {shape.type_name} at {name}: draw it")

    def members(self, shape: Shape) -> dict[str, Any]:
        members = {
            name: self.value(member, name)
            for name, member in shape.members.items()
            if self.dice.random() < self._density
        }
        if self.dice.random() < 3 * self._strangeness:
            members[self.dice.choice(UNKNOWN_NAMES)] = self.dice.choice(UNKNOWN_VALUES)
        return members

    def string(self, shape: Shape, name: str) -> str:
        if name == "dateCreated":
            return self.dice.choice(DATES)
        if name == "imageUris":
            return self.dice.choice(("a/b:1", "host:5000/c@sha256:" + "0" * 64, "plain", "a:b:c"))
        if name in ("version", "arn"):
            return f"{self.dice.choice(VERSIONS)}/1"
        if shape.enum and self.dice.random() < 0.8:
            return str(self.dice.choice(shape.enum))
        return self.text()

    def text(self) -> str:
        if self.is_strange and self.dice.random() < 0.004:
            return self.dice.choice(SURROGATES)
        return self.dice.choice(WORDS) + str(self.dice.randrange(1000))

    def body(self, page: list[Build]) -> str:
        """The page as JSON text, in one of the ways in which it can be written."""
        answer: dict[str, Any] = {"requestId": "r", "imageSummaryList": page}
        if self.is_strange and self.dice.random() < 0.2:
            answer = {"new": {"nextToken": "no token"}, **answer}
        text = json.dumps(answer, ensure_ascii=False, indent=self.dice.choice((None, 1)))
        is_ascii = self.dice.random() < 0.5 or any("\ud800" <= char <= "\udfff" for char in text)
        return json.dumps(answer) if is_ascii else text


@pytest.fixture(scope="module")
def own_emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    return start_emulator(regions=REGIONS, builds=0)


@pytest.fixture
def snapshot_of(
    own_emulator: Emulator,
    parameters: Callable[..., SnapshotParameters],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Fleet], None]:
    """Serves a fleet and takes a snapshot of all targets into the test's lake."""

    def take(fleet: Fleet) -> None:
        for name, value in own_emulator.environment().items():
            monkeypatch.setenv(name, value)
        own_emulator.clear_answers()
        for target, bodies in fleet.bodies.items():
            own_emulator.set_answers(*target, bodies)
        given = parameters(region=list(REGIONS), role_arn=own_emulator.role_arns())
        summary = take_snapshot(given)
        assert [str(target.outcome) for target in summary.unread] == []

    return take


def targets_of(emulator: Emulator) -> list[Target]:
    return [(account, region) for account in emulator.accounts for region in REGIONS]


def last_seen(pages: list[list[Build]]) -> list[Build]:
    """Each ARN's last build, and every build that has none."""
    by_arn: dict[Any, Build] = {}
    for number, build in enumerate(build for page in pages for build in page):
        arn = build.get("arn")
        by_arn[arn if isinstance(arn, str) else number] = build
    return list(by_arn.values())


def pairs(sent: list[Build], read: list[Build]) -> Iterator[tuple[Build, Build]]:
    """The builds by ARN, and those without one in the order in which they were sent."""

    def by_arn(builds: list[Build]) -> dict[Any, Build]:
        numbered: Counter[None] = Counter()
        found = {}
        for build in builds:
            key = build.get("arn")
            if not isinstance(key, str):
                numbered[None] += 1
                key = numbered[None]
            found[key] = build
        return found

    sent_by_arn, read_by_arn = by_arn(sent), by_arn(read)
    assert read_by_arn.keys() == sent_by_arn.keys()
    yield from ((build, read_by_arn[key]) for key, build in sent_by_arn.items())


def all_differences(fleet: Fleet, lake: Path) -> list[str]:
    read = read_builds(lake)
    assert set(read) <= set(fleet.pages)
    return [
        f"{target} {sent.get('arn')} {difference}"
        for target, pages in fleet.pages.items()
        for sent, got in pairs(last_seen(pages), read[target][::-1])
        for difference in differences(sent, got)
    ]


@pytest.fixture
def strange_fleet(own_emulator: Emulator) -> Fleet:
    return Draw(SEED, is_strange=True).fleet(targets_of(own_emulator), BUILDS)


def test_two_thousand_strange_builds_are_put_together_again(
    strange_fleet: Fleet, snapshot_of: Callable[[Fleet], None], lake: Path
) -> None:
    """Nothing is lost, nothing is invented, and each ARN's last seen build is the one kept."""
    snapshot_of(strange_fleet)
    assert all_differences(strange_fleet, lake) == []


def test_the_strange_builds_are_as_strange_as_they_should_be(strange_fleet: Fleet) -> None:
    """A draw that has lost one of its oddities would prove less, silently."""
    builds = [build for pages in strange_fleet.pages.values() for page in pages for build in page]
    texts = [json.dumps(build, ensure_ascii=False) for build in builds]
    repeated_in_a_page = sum(
        len(page) > len(last_seen([page]))
        for pages in strange_fleet.pages.values()
        for page in pages
    )
    counts = {
        "builds": len(builds),
        "empty pages": sum(not page for pages in strange_fleet.pages.values() for page in pages),
        "without ARN": sum("arn" not in build for build in builds),
        "ARN of another type": sum(isinstance(build.get("arn"), list) for build in builds),
        "ARN again": sum(
            sum(map(len, pages)) - len(last_seen(pages)) for pages in strange_fleet.pages.values()
        ),
        "ARN again in a page": repeated_in_a_page,
        "lone surrogates": sum(any("\ud800" <= c <= "\udfff" for c in text) for text in texts),
        "NUL": sum("\\u0000" in text for text in texts),
        "1,000 characters": sum("x" * 1_000 in text for text in texts),
        "30 digits": sum("9" * 30 in text for text in texts),
        "milliseconds": sum("1735689600000" in text for text in texts),
        "unknown members": sum("newMember" in text for text in texts),
        "third-party": sum(":third-party:" in text for text in texts),
        "lists holding null": sum("[null]" in text for text in texts),
    }
    assert counts.pop("builds") == BUILDS
    assert {name: count for name, count in counts.items() if count < 5} == {}


def test_every_member_of_the_model_is_drawn_and_read_back(
    own_emulator: Emulator, snapshot_of: Callable[[Fleet], None], lake: Path
) -> None:
    """Well-typed builds leave nothing in `extra`, and are what botocore itself makes of the pages."""
    fleet = Draw(SEED + 1, is_strange=False).fleet(targets_of(own_emulator), 200)
    snapshot_of(fleet)
    assert all_differences(fleet, lake) == []
    tables = ("image_builds", "image_amis", "image_containers", "image_region_failures")
    assert {row["extra"] for table in tables for row in table_rows(lake, table)} == {None}
    read = read_builds(lake)
    for target in fleet.pages:
        parsed = parsed_by_botocore(own_emulator, target)
        found = [list(differences(*pair)) for pair in pairs(parsed, read[target][::-1])]
        assert found == [[] for _ in parsed]


def test_what_botocore_knows_of_a_newer_service_is_the_same(
    own_emulator: Emulator, snapshot_of: Callable[[Fleet], None], lake: Path
) -> None:
    """Unknown members and enum values beside the known ones change nothing of these."""
    draw = Draw(SEED + 2, is_strange=False)
    fleet = draw.fleet(targets_of(own_emulator), 100)
    for target, pages in fleet.pages.items():
        for page in pages:
            for build in page:
                add_unknown_members(build)
        fleet.bodies[target][:] = [draw.body(page) for page in pages]
    snapshot_of(fleet)
    assert all_differences(fleet, lake) == []
    read = read_builds(lake)
    for target in fleet.pages:
        parsed = parsed_by_botocore(own_emulator, target)
        known = [remove_unknown_members(build) for build in read[target][::-1]]
        found = [list(differences(*pair)) for pair in pairs(parsed, known)]
        assert found == [[] for _ in parsed]


def parsed_by_botocore(emulator: Emulator, target: Target) -> list[Build]:
    """The target's builds as a plain client hands them out, instants as epoch seconds."""
    account, region = target
    client = boto3.client(
        "imagebuilder",
        region_name=region,
        endpoint_url=emulator.url,
        aws_access_key_id=f"AKIA{account}EMUL",
        aws_secret_access_key="emulator",  # noqa: S106 - the emulator takes any
    )
    pages = client.get_paginator("list_image_build_versions").paginate()
    builds: list[Build] = [build for page in pages for build in page["imageSummaryList"]]
    for build in builds:
        if isinstance(instant := build.get("deprecationTime"), datetime):
            build["deprecationTime"] = instant.timestamp()
    return builds


def add_unknown_members(value: Any, is_map: bool = False) -> None:
    if isinstance(value, dict) and not is_map:
        for name, member in value.items():
            add_unknown_members(member, is_map=name == "tags")
        value["unknownMember"] = {"nested": [1, {"deeper": None}], "text": "x"}
    elif isinstance(value, list):
        for item in value:
            add_unknown_members(item)


def remove_unknown_members(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: remove_unknown_members(member)
            for name, member in value.items()
            if name != "unknownMember"
        }
    return [remove_unknown_members(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("sent", "read", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": None, "b": {}, "c": {"d": []}}, {}, []),
        ({}, {"a": {"b": None}}, []),
        ({"a": ""}, {}, ["$.a"]),
        ({"a": 0}, {}, ["$.a"]),
        ({"a": False}, {"a": 0}, ["$.a"]),
        ({"a": 10**30}, {"a": 10**30 + 1}, ["$.a"]),
        ({"a": [{}]}, {"a": []}, ["$.a"]),
        ({"a": [None, 1]}, {"a": [1, None]}, ["$.a[0]", "$.a[1]"]),
        ({"a": {"b": [{"c": "x"}]}}, {"a": {"b": [{"c": "y"}]}}, ["$.a.b[0].c"]),
    ],
)
def test_differences_are_found(sent: Build, read: Build, paths: list[str]) -> None:
    """The comparison itself: absent, null and empty members are equal, all else is told apart."""
    assert [difference.split(":")[0] for difference in differences(sent, read)] == paths
