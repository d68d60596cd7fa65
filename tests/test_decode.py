"""A page's bytes become typed elements; whatever does not fit a column stays in `extra` as sent."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from extract.decode import decode_page
from extract.envelope import MalformedPageError, open_envelope

STORIES = Path(__file__).parent / "pages"


def page(*builds: str, more: str = "") -> bytes:
    """A page of builds that are given as JSON text, where every byte counts."""
    return f'{{"imageSummaryList":[{",".join(builds)}]{more}}}'.encode()


def story(name: str) -> list[Any]:
    """The elements of a story's first page."""
    return decode_page(json.dumps(json.loads((STORIES / name).read_bytes())[0]).encode())


def held(element: Any) -> dict[str, Any]:
    """The members that an element's columns hold, without the absent ones."""
    members = msgspec.structs.asdict(element)
    members.pop("extra_", None)
    return {
        name: held(value) if isinstance(value, msgspec.Struct) else value
        for name, value in members.items()
        if value is not None
    }


def extra(build: str) -> Any:
    """What a build keeps in `extra`, as text."""
    (element,) = decode_page(page(build))
    return element.extra_


# The envelope


@pytest.mark.parametrize(
    ("body", "count", "token"),
    [
        (b'{"requestId":"r"}', 0, None),
        (b'{"nextToken":"t"}', 0, "t"),
        (b'{"imageSummaryList":null}', 0, None),
        (b'{"imageSummaryList":null,"nextToken":null}', 0, None),
        (b'{"imageSummaryList":[],"nextToken":""}', 0, ""),
        (b'{"imageSummaryList":[{},{"arn":1}],"nextToken":"t"}', 2, "t"),
        (
            b' {"new":{"nextToken":"x"},\n"imageSummaryList" : [ { } ] , "nextToken":"\\u00e9"}\n',
            1,
            "é",
        ),
        (b'{"requestId":"\\ud800","imageSummaryList":[{}]}', 1, None),
    ],
)
def test_an_envelope_has_a_count_and_a_token(body: bytes, count: int, token: str | None) -> None:
    envelope = open_envelope(body)
    assert (len(envelope.imageSummaryList or ()), envelope.nextToken) == (count, token)
    assert len(decode_page(body)) == count


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"message":"blocked by proxy"}',
        b"<html></html>",
        b'{"imageSummaryList":{}}',
        b'{"imageSummaryList":[null]}',
        b'{"imageSummaryList":["a"]}',
        b'{"imageSummaryList":[{"arn":"a"}',
        b'{"imageSummaryList":[]} {}',
        b'{"imageSummaryList":[{"new":01}]}',
        b'{"imageSummaryList":[{"new":NaN}]}',
        b'{"imageSummaryList":[{"new":"\x01"}]}',
        b'{"imageSummaryList":[{"new":"\\q"}]}',
        b'{"imageSummaryList":[{"new":"\xff"}]}',
        b'{"imageSummaryList":[{"new":"\xed\xa0\x80"}]}',
        b'{"imageSummaryList":[{"new":"\\ud800","newer":01}]}',
        *(b'{"new":"\\u%s\\ud800"}' % digits for digits in (b"", b"1", b"12", b"123")),
        b'{"imageSummaryList":[],"nextToken":7}',
        b'{"imageSummaryList":[{"new":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    ],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    """Before it lands: not JSON, no list of objects, no UTF-8; unknown members are checked too."""
    with pytest.raises(MalformedPageError, match="not a page of builds"):
        open_envelope(body)


# What fits


def test_a_build_that_fits_leaves_nothing_over() -> None:
    (build,) = story("failed_distribution.json")
    amis = build.outputResources.amis
    failures = build.state.failureContext.distributionFailure.regionFailures
    assert build.extra_ is None
    assert [ami.extra_ for ami in amis] == [None, None]
    assert [failure.extra_ for failure in failures] == [None, '{"retriesLeft":0}']
    assert build.state.failureContext.failedStep == "DistributeAmi"
    assert amis[1].state.failureContext.distributionFailure.errorMessage == "The key is not shared."


def test_the_order_of_the_builds_is_kept() -> None:
    builds = decode_page(page('{"arn":"c"}', '{"arn":"a"}', '{"arn":"b","new":1}'))
    assert [build.arn for build in builds] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('""', ""),
        ('"a\\u0000b"', "a\0b"),
        ('"\\ud83d\\udcbf"', "💿"),
        ('"\\\\ud800"', "\\ud800"),
        ('"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'),
        ('"' + "x" * 100_000 + '"', "x" * 100_000),
    ],
)
def test_a_string_is_kept_to_the_letter(text: str, value: str) -> None:
    for more in ("", ',"new":1'):  # decoded strictly, and taken apart
        (build,) = decode_page(page(f'{{"arn":"a","name":{text}{more}}}'))
        assert build.name == value


def test_the_last_of_two_members_of_one_name_counts() -> None:
    """As in every JSON parser that the SDKs use."""
    (build,) = decode_page(page('{"arn":"a","name":"first","name":"last"}'))
    assert build.name == "last"


# What does not fit


def test_unknown_members_stay_at_their_own_paths() -> None:
    (build,) = story("unknown_members.json")
    (ami,) = build.outputResources.amis
    (container,) = build.outputResources.containers
    (failure,) = build.state.failureContext.distributionFailure.regionFailures
    assert json.loads(build.extra_) == {
        "isGolden": True,
        "nullMember": None,
        "state": {
            "since": 1735689600.5,
            "failureContext": {"retriable": False, "componentFailure": {"severity": "HIGH"}},
        },
        "loggingConfiguration": {"retentionInDays": 30},
        "outputResources": {"volumes": [{"volumeId": "vol-1"}]},
    }
    assert json.loads(ami.extra_) == {"bootMode": "uefi", "state": {"since": 1}}
    assert json.loads(container.extra_) == {"sizeInBytes": 123456789012}
    assert json.loads(failure.extra_) == {"attempts": 3}
    assert (build.state.status, build.buildType) == ("QUARANTINED", "REPLAYED")


def test_members_of_another_type_stay_whole() -> None:
    """The column is NULL and `extra` has what was sent; the build's other members are unharmed."""
    first, second, without_arn, with_number = story("wrong_types.json")
    assert held(first) == {"arn": "arn:1", "outputResources": {}}
    assert json.loads(first.extra_) == {
        "name": 7,
        "state": "AVAILABLE",
        "tags": {"a": 1},
        "outputResources": {"amis": [None], "containers": {"region": "x"}},
    }
    assert held(second) == {
        "arn": "arn:2",
        "state": {"failureContext": {"distributionFailure": {}}},
    }
    assert json.loads(second.extra_) == {
        "outputResources": [],
        "deprecationTime": "2025-01-01",
        "tags": ["a"],
        "state": {
            "status": ["FAILED"],
            "failureContext": {"distributionFailure": {"regionFailures": [1]}},
        },
    }
    assert held(with_number) == {"name": "a number for an ARN"}
    assert json.loads(with_number.extra_) == {"arn": 12}
    assert without_arn.name == "no ARN"


def test_the_lists_of_a_build_without_arn_stay_with_it() -> None:
    """Child rows would have no parent to name."""
    build = story("wrong_types.json")[2]
    assert held(build) == {
        "name": "no ARN",
        "state": {"status": "FAILED", "failureContext": {"failedStep": "Build"}},
    }
    sent = json.loads((STORIES / "wrong_types.json").read_bytes())[0]["imageSummaryList"][2]
    assert json.loads(build.extra_) == {
        "state": sent["state"],
        "outputResources": sent["outputResources"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "100000000000000000000000000000",
        "1735689600.12345678901234567890",
        "-0.0",
        '"\\u00e9\\ud83d\\udcbf"',
        '{"b":1,"a":[1.50,true,null,{}]}',
        "{}",
        "[]",
        '""',
        "null",
    ],
)
def test_what_has_no_column_is_kept_as_it_was_written(text: str) -> None:
    """Numbers beyond any machine type too: nothing is parsed that need not be."""
    assert extra(f'{{"arn":"a","new":{text}}}') == f'{{"new":{text}}}'


@pytest.mark.parametrize("name", ["extra", "extra_", "", "a.b", "arn ", "Arn", "é", "state.status"])
def test_any_member_name_can_be_kept(name: str) -> None:
    assert json.loads(extra(json.dumps({"arn": "a", name: {"x": 1}}))) == {name: {"x": 1}}


@pytest.mark.parametrize(
    "build",
    [
        '{"arn":"a","name":"x\\ud800y"}',
        '{"arn":"a","name":"\\uDFFF"}',
        '{"arn":"a","name":"\\ud83d\\ud83d\\udcbf"}',
        '{"arn":"a","tags":{"k\\udc00":"v"}}',
        '{"arn":"a","new":{"\\ud800":["\\udc00\\ud800"]},"number":1e400}',
        '{"arn":"a","outputResources":{"amis":[{"name":"\\ud800"}]}}',
        '{"name":"no ARN \\ud800"}',
    ],
)
def test_a_build_with_half_a_character_stays_whole(build: str) -> None:
    """JSON can spell lone surrogates, which no text column can hold: `extra` has all of the build."""
    whole, beside = decode_page(page(build, '{"arn":"b","name":"\\ud83d\\udcbf \\\\ud800"}'))
    assert whole.extra_ == build
    assert (beside.name, beside.extra_) == ("💿 \\ud800", None)


def test_half_a_character_is_replaced_in_the_columns() -> None:
    body = page('{"arn":"a","name":"x\\ud800y","tags":{"\\udfff":"\\ud83d\\ud83d\\udcbf"}}')
    (build,) = decode_page(body)
    assert held(build) == {"arn": "a", "name": "x\ufffdy", "tags": {"\ufffd": "\ufffd💿"}}


def test_arns_that_no_column_can_hold_are_none() -> None:
    """Two that differ in a lone surrogate alone would be one and the same, and one build lost."""
    amis = '"outputResources":{"amis":[{"image":"ami-1"}]},"name":"\\ufffd"'
    sent = [f'{{"arn":"a{lone}",{amis}}}' for lone in ("\\ud83d", "\\ud84d", "\\ufffd")]
    builds = decode_page(page(*sent, '{"arn":"a\\ufffd","name":"\\ud83d"}'))
    assert [build.arn for build in builds] == [None, None, "a\ufffd", "a\ufffd"]
    assert [build.outputResources is None for build in builds] == [True, True, False, True]
    assert [build.extra_ for build in builds] == [
        *(sent[:2]),
        None,
        '{"arn":"a\\ufffd","name":"\\ud83d"}',
    ]
