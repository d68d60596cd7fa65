"""Values that answers are made of: hostile texts, odd instants, what fits nowhere, absurd sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from tests.reassemble import Build

WORDS: Final = (
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
    "\\ud800 \\u0000 \\\\",
    "../../etc/passwd\n",
)
SURROGATES: Final = ("half \ud83d of a pair", "\udcff", "\udc00\ud800", "\ud83d💿")
DATES: Final = (
    "2020-02-14T21:29:18.810Z",
    "2025-11-20T12:00:00Z",
    "2025-11-20T12:00:00.123456789+05:30",
    "2025-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999Z",
    "last Tuesday",
    "1581715758",
)
VERSIONS: Final = ("1.0.0", "1.10.0", "2019.12.03", f"{'9' * 30}.0.1", "1.2", "x.x.x")
IMAGE_URIS: Final = (
    "a/b:1",
    "host:5000/c@sha256:" + "0" * 64,
    "plain",
    "a:b:c",
    "",
    "@",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:latest@sha256:0",
)
UNKNOWN_NAMES: Final = ("newMember", "extra", "extra_", "ARN", "", "a.b", "x y", "naïve", "run_id")

FEW_INSTANTS: Final = st.one_of(
    st.integers(0, 4_102_444_800),
    st.integers(0, 10**15).map(lambda microseconds: microseconds / 1_000_000),
)
"""Epoch seconds that botocore takes, to the microsecond."""
ODD_INSTANTS: Final = (
    *(1_735_689_600.1234567, 1_735_689_600_000, -1, 10**29),
    *(-62_135_596_801, 253_402_300_800),
)
INSTANTS: Final = st.one_of(
    FEW_INSTANTS,
    *[st.sampled_from(ODD_INSTANTS)] * 3,
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
)
NOTHINGS: Final[tuple[Any, ...]] = (None, {}, [], "")
MISFITS: Final[tuple[Any, ...]] = (
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
UNKNOWN_VALUES: Final[st.SearchStrategy[Any]] = st.one_of(
    st.sampled_from(
        (
            *(*MISFITS, *NOTHINGS, 1e-320, 12345678901234567890),
            {"": {"a.b": [1, {"c": 2}]}},
        )
    ),
    st.recursive(
        st.one_of(
            *(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)


@dataclass(frozen=True)
class Absurdity:
    """Something absurdly large, and where in a build it goes."""

    name: str
    path: tuple[str, ...]
    value: Any

    def put_into(self, build: Build) -> None:
        """Put it there, over whatever is in its way."""
        element: dict[str, Any] = build
        for member in self.path[:-1]:
            if not isinstance(element.get(member), dict):
                element[member] = {}
            element = element[member]
        element[self.path[-1]] = self.value


_FAILURE: Final = ("state", "failureContext")
_AMI: Final = {
    "region": "eu-west-1",
    "image": "ami-0",
    "state": {"status": "FAILED", "reason": "r" * 900},
}


def _nested(depth: int) -> Any:
    value: Any = "innermost"
    for number in range(depth):
        value = {"deeper": value} if number % 2 else [value]
    return value


ABSURD: Final = (
    Absurdity("5 MB", ("state", "reason"), "é\n" * 1_700_000),
    Absurdity(
        "50 tags of 1 kB", ("tags",), {f"{n:04}".rjust(128, "k"): "v" * 896 for n in range(50)}
    ),
    Absurdity(
        "error message", (*_FAILURE, "componentFailure", "errorMessage"), "Traceback:\n\t" * 32_000
    ),
    Absurdity(
        "error messages of regions",
        (*_FAILURE, "distributionFailure"),
        {
            "errorMessage": "m" * 384_000,
            "regionFailures": [
                {"region": f"r{n}", "errorMessage": "e" * 1_000} for n in range(300)
            ],
        },
    ),
    Absurdity(
        "AMIs", ("outputResources", "amis"), [{**_AMI, "name": f"n{n}"} for n in range(2_000)]
    ),
    Absurdity(
        "image URIs",
        ("outputResources", "containers"),
        [{"region": "r", "imageUris": [f"host:1/a:{n}" for n in range(5_000)]}] * 2,
    ),
    Absurdity("depth", ("newMember",), _nested(200)),
    Absurdity("unknown member", ("newMember",), {f"m{n}": [n] * 10 for n in range(3_000)}),
)
