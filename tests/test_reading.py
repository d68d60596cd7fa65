"""Bodies become Arrow arrays: as they came where they can, else decoded one by one; all the same."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pytest

import extract.reading
from extract.decode import EXTRA_KEY
from extract.parse import epoch_seconds
from extract.reading import MOST_TAG_KEYS, BuildReader, member, tags_of

Build = dict[str, Any]


def page(*builds: Build) -> bytes:
    return json.dumps({"requestId": "r", "imageSummaryList": builds, "nextToken": "t"}).encode()


def tagged(arn: str, tags: Mapping[str, str | None] | None) -> Build:
    return {"arn": arn} if tags is None else {"arn": arn, "tags": tags}


def tags(lists: pa.ListArray) -> list[list[tuple[str, str | None]] | None]:
    found: list[list[tuple[str, str | None]] | None] = tags_of(
        member(lists.flatten(), "tags")
    ).to_pylist()
    return found


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, no body may be decoded by itself."""

    def refuse(body: bytes) -> None:
        raise AssertionError(f"decoded by itself: {body!r}")

    return lambda: monkeypatch.setattr(extract.reading, "decode_page", refuse)


def test_what_columns_hold_is_read_as_it_came(undecoded: Callable[[], None]) -> None:
    undecoded()
    state = {"status": "FAILED", "failureContext": {"failedStep": "Build"}}
    ami = {"image": "ami-1", "state": state}
    whole = {
        "arn": "a",
        "name": "x\n\u0000💿\\",
        "deprecationTime": 1735689600.25,
        "state": state,
        "outputResources": {"amis": [ami, {}], "containers": [{"imageUris": ["u", "v"]}]},
    }
    lists = BuildReader().read([page(whole, {"arn": "b"}), page(), page({"arn": "c"})])
    assert [len(builds) for builds in lists] == [2, 0, 1]
    builds = lists.flatten()
    assert member(builds, "arn").to_pylist() == ["a", "b", "c"]
    assert member(builds, "name").to_pylist() == [whole["name"], None, None]
    assert member(builds, "state.failureContext.failedStep").to_pylist() == ["Build", None, None]
    assert member(builds, "deprecationTime").to_pylist() == [1735689600.25, None, None]
    (amis, *_) = member(builds, "outputResources.amis").to_pylist()
    assert [found["image"] for found in amis] == ["ami-1", None]


TAGS: tuple[list[dict[str, str | None] | None], ...] = (
    [{"Team": "a", "cost": ""}, {"cost": "1", "Team": "b"}, {}, None, {"Team": "null"}],
    [None, None],
    [{}, {}],
    [],
)


@pytest.mark.parametrize("sent", TAGS)
def test_tags_are_the_same_however_they_are_read(
    undecoded: Callable[[], None], sent: list[dict[str, str | None] | None]
) -> None:
    """Sorted by key: the service sends them in any order, which would look like a change."""
    body = page(*(tagged(f"a{n}", each) for n, each in enumerate(sent)))
    expected = [None if each is None else sorted(each.items()) for each in sent]
    reader = BuildReader()
    decoded = reader.read([page({"arn": "new", "since": 1}), body])
    assert tags(decoded) == [None, *expected]
    undecoded()
    assert tags(reader.read([body])) == expected


def test_a_tag_without_a_value_is_not_the_same_as_none() -> None:
    body = page(tagged("a", {"k": None, "l": "x"}), tagged("b", {"l": "null"}))
    reader = BuildReader()
    for _ in range(2):
        assert tags(reader.read([body])) == [[("k", None), ("l", "x")], [("l", "null")]]


def test_a_new_key_is_learned(undecoded: Callable[[], None]) -> None:
    reader = BuildReader()
    reader.read([page(tagged("a", {"k": "1"}))])
    body = page(tagged("b", {"new": "2", "k": "1"}), tagged("c", {"k": "3"}))
    for _ in range(2):
        assert tags(reader.read([body])) == [[("k", "1"), ("new", "2")], [("k", "3")]]
        undecoded()


def with_keys(first: int, count: int) -> tuple[bytes, list[list[tuple[str, str]]]]:
    """A page of so many builds, each with a tag that no other has; and their tags."""
    each = [(f"k{n:06}", str(n)) for n in range(first, first + count)]
    return page(*(tagged(key, {key: value}) for key, value in each)), [[tag] for tag in each]


def test_more_keys_than_are_looked_for_are_kept_all_the_same() -> None:
    reader = BuildReader()
    for first in (0, 1000):
        body, expected = with_keys(first, MOST_TAG_KEYS + 1)
        assert tags(reader.read([body])) == expected
    assert not reader._tag_keys


def test_other_keys_take_the_place_of_those_of_before(undecoded: Callable[[], None]) -> None:
    """As of one account after the other."""
    reader = BuildReader()
    for first in (0, 1000):
        body, expected = with_keys(first, MOST_TAG_KEYS)
        assert tags(reader.read([body])) == expected
    undecoded()
    assert tags(reader.read([body])) == expected


HOSTILE_KEYS = ("", ".", "a.b", 'a"b', "tags[]", "é\u0000", EXTRA_KEY, "null", "-")


def test_any_key_can_be_a_tags(undecoded: Callable[[], None]) -> None:
    body = page(tagged("a", {key: key for key in HOSTILE_KEYS}))
    reader = BuildReader()
    for _ in range(2):
        assert tags(reader.read([body])) == [[(key, key) for key in sorted(HOSTILE_KEYS)]]
        undecoded()


@pytest.mark.parametrize(
    ("build", "extra"),
    [
        ({"since": 1}, {"since": 1}),
        ({"name": 7}, {"name": 7}),
        ({"tags": {"a": 1}}, {"tags": {"a": 1}}),
        ({"deprecationTime": 1735689600.1234567}, {"deprecationTime": 1735689600.1234567}),
        ({"deprecationTime": 1735689600000}, {"deprecationTime": 1735689600000}),
        ({"deprecationTime": 9007199254740993}, {"deprecationTime": 9007199254740993}),
        ({"deprecationTime": "soon"}, {"deprecationTime": "soon"}),
        ({"outputResources": {"amis": [None]}}, {"outputResources": {"amis": [None]}}),
        ({"name": None, "state": None}, None),
    ],
)
def test_what_no_column_holds_is_beside_it(build: Build, extra: Build | None) -> None:
    """One such build in a batch, and the others are what they were."""
    reader = BuildReader()
    reader.read([page({"arn": "learned"})])
    lists = reader.read([page({"arn": "x"}), page({"arn": "a"} | build, {"arn": "y"})])
    builds = lists.flatten()
    assert member(builds, "arn").to_pylist() == ["x", "a", "y"]
    before, found, after = member(builds, EXTRA_KEY).to_pylist()
    assert (before, after) == (None, None)
    assert (found and json.loads(found)) == extra


def test_a_time_that_no_instant_holds_is_the_nearest_one_and_beside_it() -> None:
    times = [1735689600.1234567, 1735689600000, 1735689600]
    sent = [{"arn": str(n), "deprecationTime": time} for n, time in enumerate(times)]
    builds = BuildReader().read([page(*sent)]).flatten()
    instants = epoch_seconds(member(builds, "deprecationTime")).cast(pa.int64())
    assert instants.to_pylist() == [1735689600123457, None, 1735689600000000]


def test_a_body_of_many_lines_is_one_page() -> None:
    """White space is the service's to choose; a line's end in it ends no page."""
    body = json.dumps({"imageSummaryList": [{"arn": "a"}, {"arn": "b"}]}, indent=2).encode()
    lists = BuildReader().read([body, page({"arn": "c"}), body.replace(b"\n", b"\r\n")])
    assert [[build["arn"] for build in builds] for builds in lists.to_pylist()] == [
        ["a", "b"],
        ["c"],
        ["a", "b"],
    ]


def test_a_member_of_the_page_that_is_not_known_loses_no_build() -> None:
    body = json.dumps({"imageSummaryList": [{"arn": "a"}], "total": 1}).encode()
    lists = BuildReader().read([body, b'{"imageSummaryList":null}', b"{}"])
    assert [len(builds) for builds in lists] == [1, 0, 0]


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b" null ",
        b" ",
        b"[]",
        b'{"imageSummaryList":[]}{}',
        b'{"imageSummaryList":[{"name":"\xff"}]}',
    ],
)
def test_a_body_that_is_no_page_is_refused(body: bytes) -> None:
    """A raw page can be damaged on the disk after it was taken."""
    for bodies in ([body], [page({"arn": "a"}), body]):
        with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
            BuildReader().read(bodies)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from extract.reading import BuildReader, member, tags_of
bodies = [line.encode() for line in sys.argv[1:]]
reader = BuildReader()
for _ in range(2):
    print(tags_of(member(reader.read(bodies).flatten(), "tags")).to_pylist())
"""


def test_nothing_of_it_needs_numpy() -> None:
    """The command runs without, even where it is installed; pyarrow 19 slices with it."""
    bodies = [page(tagged("a", {"k": "1", "l": "2"})), page({"arn": "b"}, tagged("c", {"l": "3"}))]
    given = [sys.executable, "-c", WITHOUT_NUMPY, *(body.decode() for body in bodies)]
    said = subprocess.run(given, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[[('k', '1'), ('l', '2')], None, [('l', '3')]]"] * 2
