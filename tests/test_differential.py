"""What the API sent is put together again from the Parquet tables, whatever it was.

Builds are drawn from the installed botocore's own model of an answer with a fixed seed, made strange
in every way that JSON allows, served over HTTP, taken through the whole pipeline, and put together
again by `tests.reassemble`, which shares no code with the pipeline. `make fuzz` does so without end.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.emulator import Emulator
from tests.fuzz.answers import SUMMARY
from tests.fuzz.campaign import REGIONS, compare_once, local_endpoint
from tests.fuzz.compare import compare, problems_of, targets_of
from tests.fuzz.fleets import Fleet, Page, draw_fleet, fleet_of, last_seen, pages_of
from tests.fuzz.reduce import reduced
from tests.fuzz.values import ABSURD, ODD_INSTANTS
from tests.reassemble import Build, Target, differences, table_rows
from tests.test_drift import leaf_members

SEED = 20191202
BUILDS = 1_000
TARGET: Target = ("111122223333", "us-east-1")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Emulator]:
    with local_endpoint() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def fleet(endpoint: Emulator) -> Fleet:
    return draw_fleet(SEED, targets_of(endpoint, REGIONS), BUILDS)


def test_a_thousand_builds_are_put_together_again(
    endpoint: Emulator, fleet: Fleet, lake: Path
) -> None:
    """Nothing is lost, nothing is invented, each ARN's last seen build is the one kept.

    Where the model's types are kept to, the same comes of it as of botocore's parse.
    """
    compared = compare_once(endpoint, lake, fleet)
    assert compared.differences == []
    assert compared.builds == sum(len(last_seen(pages)) for pages in fleet.values()) > 900
    assert compared.with_botocore > 300


def test_the_builds_are_as_strange_as_they_should_be(fleet: Fleet) -> None:
    """A draw that has lost one of its oddities would prove less, silently."""
    pages = list(pages_of(fleet))
    builds = [build for page in pages for build in page.builds]
    texts = [json.dumps(build, ensure_ascii=False) for build in builds]
    counts = {
        "empty pages": sum(not page.builds for page in pages),
        "modelled pages": sum(page.is_modelled for page in pages),
        "without ARN": sum("arn" not in build for build in builds),
        "ARN of another type": sum(isinstance(build.get("arn"), list) for build in builds),
        "ARN again": len(builds) - sum(len(last_seen(pages)) for pages in fleet.values()),
        "ARN again in a page": sum(len(p.builds) > len(last_seen([p])) for p in pages),
        "lone surrogates": sum(any("\ud800" <= c <= "\udfff" for c in text) for text in texts),
        "NUL": sum("\\u0000" in text for text in texts),
        "1,000 characters": sum("x" * 1_000 in text for text in texts),
        "30 digits": sum("9" * 30 in text for text in texts),
        "odd instants": sum(any(f": {at}" in text for at in ODD_INSTANTS) for text in texts),
        "unknown members": sum("newMember" in text for text in texts),
        "third-party": sum(":third-party:" in text for text in texts),
        "lists holding null": sum("[null]" in text for text in texts),
    }
    assert len(builds) == BUILDS
    assert len(set(texts)) > 0.95 * BUILDS
    assert {name: count for name, count in counts.items() if count < 3} == {}


def test_no_size_is_too_large(endpoint: Emulator, lake: Path) -> None:
    """A page of 5 MB, 50 tags of 1 kB, a message of 384,000 characters, a thousand of anything."""
    pages = []
    for number, absurdity in enumerate(ABSURD):
        build: Build = {
            "arn": f"arn:aws:imagebuilder:us-east-1:111122223333:image/a/1.0.0/{number}"
        }
        absurdity.put_into(build)
        assert len(json.dumps(build)) > 1_000
        pages += fleet_of(TARGET, [build, {"arn": f"beside {number}"}])[TARGET]
    compared = compare_once(endpoint, lake, {TARGET: pages})
    assert (compared.differences, compared.builds) == ([], 2 * len(ABSURD))


def test_every_member_of_the_model_is_drawn_and_has_its_column(
    endpoint: Emulator, lake: Path
) -> None:
    """Well-typed builds without unknown members leave nothing in `extra`."""
    drawn = draw_fleet(SEED + 1, targets_of(endpoint, REGIONS), 200, is_modelled=True)
    fleet = {target: [known(page) for page in pages] for target, pages in drawn.items()}
    compared = compare_once(endpoint, lake, fleet)
    assert (compared.differences, compared.builds) == ([], compared.with_botocore)
    tables = ("image_builds", "image_amis", "image_containers", "image_region_failures")
    extras = {row["extra"] for table in tables for row in table_rows(lake, table)}
    assert extras == {None}
    paths = {path for page in pages_of(fleet) for build in page.builds for path in paths_of(build)}
    assert set(leaf_members(SUMMARY)) - {"tags"} <= paths


def known(page: Page) -> Page:
    """The page without what the model does not know, and with instants that a column can hold."""
    builds = [in_model(SUMMARY, build) for build in page.builds]
    return Page(builds, json.dumps({"imageSummaryList": builds}), is_modelled=True)


def in_model(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return {
            name: in_model(shape.members[name], value[name])
            for name in value
            if name in shape.members
        }
    return [in_model(shape.member, item) for item in value] if shape.type_name == "list" else value


def paths_of(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all members, `[]` for an element, as the model's are told."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from paths_of(member, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for item in value:
            yield from paths_of(item, f"{path}[]")
    else:
        yield path


# The comparison itself


def test_what_is_lost_or_made_up_or_changed_is_found(endpoint: Emulator, lake: Path) -> None:
    builds: list[Build] = [{"arn": "a", "name": "x", "new": 1}, {"arn": "b"}, {"name": "no ARN"}]
    assert compare_once(endpoint, lake, fleet_of(TARGET, builds)).differences == []
    for sent, words in (
        ([{"arn": "a", "name": "y", "new": 1}, *builds[1:]], ".name: sent 'y', read 'x'"),
        ([{"arn": "a", "name": "x", "new": 2}, *builds[1:]], ".new: sent 2, read 1"),
        (builds[:2], "made up [1]"),
        ([*builds, {"arn": "c"}], "lost ['c']"),
    ):
        (difference,) = compare(fleet_of(TARGET, sent), lake).differences
        assert words in difference
    (foreign,) = compare({}, lake).differences
    assert "builds of targets that sent none" in foreign


def test_an_error_is_a_finding(endpoint: Emulator, lake: Path) -> None:
    """A target that could not be read is no empty one."""
    endpoint.set_faults("/".join(TARGET), {"always": "forbidden"})
    fleet = fleet_of(TARGET, [{"arn": "a"}])
    (found,) = problems_of(lambda: compare_once(endpoint, lake, fleet).differences)
    endpoint.clear_faults()
    assert "AssertionError at " in found
    assert "not read: 111122223333/us-east-1: ForbiddenException" in found


def test_a_finding_is_reduced_to_the_least_that_shows_it() -> None:
    builds = [
        {"arn": f"a{number}", "tags": {"k": "v"}, "state": {"reason": "no " * number, "x": [1, 2]}}
        for number in range(20)
    ]
    asked = []

    def is_wrong(value: list[Build]) -> bool:
        asked.append(value)
        return any("no no" in str(build.get("state", {}).get("reason")) for build in value)

    assert reduced(builds, is_wrong) == [{"state": {"reason": "no no"}}]
    assert len(asked) < 200
    assert reduced(builds, is_wrong, tries=0) == builds


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
    """Absent, null and empty members are equal, all else is told apart."""
    assert [difference.split(":")[0] for difference in differences(sent, read)] == paths
