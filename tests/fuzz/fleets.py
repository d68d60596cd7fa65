"""What the targets of a run answer: drawn builds in pages, in every way in which they may come.

Pages of 0 to 40 builds, some empty amid the others; an ARN that comes again, in its page, in a later
one, in another target; builds without an ARN; members around the list; sizes beyond all reason.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any, Final, NamedTuple

from tests.fuzz.answers import drawn_builds
from tests.fuzz.values import ABSURD, VERSIONS, Absurdity
from tests.reassemble import Build, Target

SIZES: Final = (0, 0, 1, 2, 7, 25, 40)
RECOMBINED: Final = 4
"""So many builds are made of each that hypothesis drew: itself, and others with parts of it."""
ABSURD_ONE_IN: Final = 25
"""One page in so many has something of an absurd size."""
OWNERS: Final = ("111122223333", "222233334444", "aws", "aws-marketplace", "third-party")
STRANGE_ARNS: Final = (None, 7, ["arn"], {"arn": "arn"}, "")


class Page(NamedTuple):
    """One answer: its builds, and itself as JSON text; `is_modelled` where botocore parses it."""

    builds: list[Build]
    body: str
    is_modelled: bool


Fleet = dict[Target, list[Page]]
"""The pages of each target, in order."""


def draw_fleet(
    number: int, targets: Sequence[Target], builds: int, is_modelled: bool | None = None
) -> Fleet:
    """So many builds, dealt out to the targets; of both kinds, page by page, where None."""
    return _Dealer(number, targets, is_modelled).deal(builds)


def fleet_of(target: Target, builds: list[Build]) -> Fleet:
    """One target with one page of no known kind."""
    return {target: [Page(builds, json.dumps({"imageSummaryList": builds}), is_modelled=False)]}


def pages_of(fleet: Fleet) -> Iterator[Page]:
    """All pages of all targets."""
    return (page for pages in fleet.values() for page in pages)


def last_seen(pages: Sequence[Page]) -> list[tuple[int, int]]:
    """Page and position of each ARN's last build, and of every build that has none."""
    by_arn: dict[Any, tuple[int, int]] = {}
    for number, page in enumerate(pages):
        for position, build in enumerate(page.builds):
            arn = build.get("arn")
            by_arn[arn if isinstance(arn, str) else (number, position)] = number, position
    return list(by_arn.values())


class _Dealer:
    def __init__(self, number: int, targets: Sequence[Target], is_modelled: bool | None) -> None:
        self._number = number
        self._targets = targets
        self._kinds = (True, False) if is_modelled is None else (is_modelled,)
        self._dice = Random(number)  # noqa: S311 - the same for a number, no secret
        self._arns: list[str] = []

    def deal(self, count: int) -> Fleet:
        drafts = {kind: self._drafts(kind, -(-count // len(self._kinds))) for kind in self._kinds}
        fleet: Fleet = defaultdict(list)
        while count:
            kind = self._dice.choice(self._kinds)
            size = min(count, self._dice.choice(SIZES))
            count -= size
            builds = [self._with_arn(next(drafts[kind]), kind) for _ in range(size)]
            if builds and self._is_one_in(ABSURD_ONE_IN):
                absurdity: Absurdity = self._dice.choice(ABSURD)
                absurdity.put_into(builds[-1])
            body = self._written(builds)
            fleet[self._dice.choice(self._targets)].append(Page(builds, body, kind))
        return fleet

    def _drafts(self, is_modelled: bool, count: int) -> Iterator[Build]:
        """The drawn builds, each followed by some that have members of several."""
        drawn = drawn_builds(self._number, -(-count // RECOMBINED), is_modelled=is_modelled)
        while True:
            for build in drawn:
                yield deepcopy(build)
                for _ in range(RECOMBINED - 1):
                    yield self._recombined(drawn)

    def _recombined(self, drawn: Sequence[Build]) -> Build:
        made: Build = {}
        for parent in self._dice.choices(drawn, k=3):
            made |= {name: value for name, value in parent.items() if self._dice.random() < 0.6}
        return deepcopy(made)  # something absurd may be put into it

    def _with_arn(self, build: Build, is_modelled: bool) -> Build:
        if not is_modelled and self._is_one_in(10):
            return (
                build if self._is_one_in(2) else {**build, "arn": self._dice.choice(STRANGE_ARNS)}
            )
        if self._arns and self._is_one_in(12):
            return {**build, "arn": self._dice.choice(self._arns[-60:])}
        owner, version = self._dice.choice(OWNERS), self._dice.choice(VERSIONS)
        slug = f"image-{len(self._arns)}"
        self._arns.append(f"arn:aws:imagebuilder:us-east-1:{owner}:image/{slug}/{version}/1")
        return {**build, "arn": self._arns[-1]}

    def _written(self, builds: list[Build]) -> str:
        """The page as JSON text, in one of the ways in which it can be written."""
        members: list[tuple[str, Any]] = [("requestId", "r"), ("imageSummaryList", builds)]
        if not builds:
            members = self._dice.choice([members, members[:1], [("imageSummaryList", None)]])
        if self._is_one_in(5):
            newer = {"nextToken": "no token", "imageSummaryList": [{"arn": "none"}]}
            members = (
                [*members, ("new", newer)] if self._is_one_in(2) else [("new", newer), *members]
            )
        indent = self._dice.choice((None, 1))
        text = json.dumps(dict(members), ensure_ascii=False, indent=indent)
        if self._is_one_in(2) or any("\ud800" <= character <= "\udfff" for character in text):
            return json.dumps(dict(members), indent=indent)
        return text

    def _is_one_in(self, count: int) -> bool:
        return self._dice.randrange(count) == 0
