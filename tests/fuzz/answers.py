"""Builds as the API may send them, drawn by hypothesis from botocore's own model.

A modelled build has the model's types throughout, and perhaps members and values that the model does
not know: botocore can parse it. A strange one has members of other types and texts that no UTF-8 can
hold besides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import Shape
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.values import (
    DATES,
    FEW_INSTANTS,
    IMAGE_URIS,
    INSTANTS,
    MISFITS,
    NOTHINGS,
    SURROGATES,
    UNKNOWN_NAMES,
    UNKNOWN_VALUES,
    VERSIONS,
    WORDS,
)
from tests.reassemble import Build

Draw = Callable[[st.SearchStrategy[Any]], Any]

ANSWER: Final[Shape] = (
    botocore.session.get_session()
    .get_service_model("imagebuilder")
    .operation_model("ListImageBuildVersions")
    .output_shape
)
SUMMARY: Final[Shape] = ANSWER.members["imageSummaryList"].member
DRAWN_AT_ONCE: Final = 500
"""Hypothesis looks back at what it drew before, and makes more of the same: it begins anew."""

_WORDS: Final = st.integers(0, 1_000 * len(WORDS) - 1)
_OTHER_TEXTS: Final = st.text(max_size=12)
_MISFITS: Final = st.sampled_from((*NOTHINGS, *MISFITS))
_TEXTS_IN_FEW_FORMS: Final = {
    "dateCreated": DATES,
    "imageUris": IMAGE_URIS,
    "version": tuple(f"{version}/1" for version in VERSIONS),
}
"""By member, the texts that it has."""


def drawn_builds(number: int, count: int, *, is_modelled: bool) -> list[Build]:
    """So many builds without an ARN, no two alike; the same for a number and a hypothesis version."""
    found: dict[str, Build] = {}
    while len(found) < count:
        at_once = min(DRAWN_AT_ONCE, 20 + 3 * (count - len(found)) // 2)
        for build in _drawn_at_once(number, at_once, is_modelled):
            found.setdefault(json.dumps(build, sort_keys=True), build)
        number += 1_000_003
    return list(found.values())[:count]


def _drawn_at_once(number: int, count: int, is_modelled: bool) -> list[Build]:
    found: list[Build] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),  # builds of all sizes are what is wanted
    )
    @given(builds(is_modelled))
    def keep(build: Build) -> None:
        found.append(build)

    keep()
    return found


@st.composite
def builds(draw: Draw, is_modelled: bool) -> Build:
    """One element of `imageSummaryList`, its ARN left out."""
    build = _Builder(draw, is_modelled).members(SUMMARY)
    build.pop("arn", None)
    return build


class _Builder:
    """Draws the members of one build: how many of them there are, and how strange, is its own."""

    def __init__(self, draw: Draw, is_modelled: bool) -> None:
        self._draw = draw
        self._is_modelled = is_modelled
        self._is_dense = draw(st.booleans())
        self._strange_in = draw(_one_of((0, 0, 50, 5)))

    def members(self, shape: Shape) -> dict[str, Any]:
        everything = 2 ** len(shape.members) - 1
        chosen = everything if self._is_dense else self._draw(_up_to(everything))
        members = {
            name: self._value(member, name)
            for number, (name, member) in enumerate(shape.members.items())
            if chosen >> number & 1
        }
        if self._is_strange():
            members[self._draw(_one_of(UNKNOWN_NAMES))] = self._draw(UNKNOWN_VALUES)
        return members

    def _value(self, shape: Shape, name: str) -> Any:
        if not self._is_modelled and self._is_strange():
            return self._draw(_MISFITS)
        match shape.type_name:
            case "structure":
                return self.members(shape)
            case "list":
                count = self._draw(_one_of((0, 1, 1, 3)))
                return [self._value(shape.member, name) for _ in range(count)]
            case "map":
                count = self._draw(_one_of((0, 1, 5)))
                return {self._text(): self._text() for _ in range(count)}
            case "timestamp":
                return self._draw(FEW_INSTANTS if self._is_modelled else INSTANTS)
            case "string":
                return self._string(shape, name)
        raise AssertionError(f"the model has a {shape.type_name} at {name}: draw it")

    def _string(self, shape: Shape, name: str) -> str:
        if few := _TEXTS_IN_FEW_FORMS.get(name):
            return str(self._draw(_one_of(few)))
        if shape.enum:
            number: int = self._draw(_up_to(len(shape.enum)))
            if number < len(shape.enum):
                return str(shape.enum[number])
        return self._text()

    def _text(self) -> str:
        number = self._draw(_WORDS)
        if number % 10 == 0:
            return str(self._draw(_OTHER_TEXTS))
        if number % 500 == 1 and not self._is_modelled:
            return SURROGATES[number // 500 % len(SURROGATES)]
        return f"{WORDS[number // 1_000]}{number % 1_000}"

    def _is_strange(self) -> bool:
        return bool(self._strange_in) and not self._draw(_up_to(self._strange_in))


@cache
def _one_of(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@cache
def _up_to(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most)
