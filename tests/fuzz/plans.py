"""Histories drawn at random, as steps that can be taken, reduced and written down as JSON.

Builds appear, change, vanish and come back; targets are denied, cut short, not enabled, not asked;
dates come in any order, some of them again; between them the lake is looked after.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from tests.reassemble import Build, Target

Step = dict[str, Any]
"""`do`: run (with `day`, and by target what its API answers), or what is done to the lake."""

TARGETS: Final[tuple[Target, ...]] = (
    ("111122223333", "us-east-1"),
    ("111122223333", "eu-west-1"),
    ("222233334444", "us-east-1"),
)
DAYS: Final = tuple(str(date(2025, 1, 1) + timedelta(days=2 * number)) for number in range(6))
"""The days between have no snapshot."""
IMAGES: Final = ("web/1.0.0/1", "web/1.10.0/1", "web/1.9.0/2", "db/2019.12.03/1", "shared/1.0.0/1")
STATES: Final = ("BUILDING", "AVAILABLE", "FAILED", "DEPRECATED")
HOWS: Final = ("whole", "whole", "whole", "whole", "denied", "cut", "disabled", "unasked")
CARE: Final = ("maintain", "tidy", "rollback", "rebuild", "retire")


def draw_plan(dice: Random) -> list[Step]:
    """About a dozen runs, and what is done to the lake in between."""
    standing: dict[Target, dict[str, Build]] = {target: {} for target in TARGETS}
    runs: list[Step] = []
    for day in DAYS:
        for _ in range(dice.choice((1, 1, 2, 3))):
            for target, builds in standing.items():
                _go_on(dice, target, builds)
            answers = {name_of(t): _answer(dice, list(b.values())) for t, b in standing.items()}
            runs.append({"do": "run", "day": day, "answers": answers})
    if dice.random() < 0.5:
        dice.shuffle(runs)
    return [step for run in runs for step in (run, *_care(dice))]


def name_of(target: Target) -> str:
    """As a step names it."""
    return "/".join(target)


def target_of(name: str) -> Target:
    """The target of a name."""
    account_id, region = name.split("/")
    return account_id, region


def _go_on(dice: Random, target: Target, builds: dict[str, Build]) -> None:
    """A few builds come, go or change; most stay as they are."""
    for image in IMAGES:
        match dice.randrange(10):
            case 0 if image in builds:
                del builds[image]
            case 0 | 1 | 2 if image not in builds:
                builds[image] = _build(target, image)
            case 1 if image in builds:
                builds[image]["state"] = {"status": dice.choice(STATES)}
            case 2 if image in builds:
                builds[image]["tags"] = dice.choice(
                    ({}, {"Team": "db"}, {"Stage": "", "Team": "web"})
                )
            case 3 if image in builds:
                _change_resources(dice, builds[image])


def _build(target: Target, image: str) -> Build:
    owner, region = ("aws", "us-east-1") if image.startswith("shared") else target
    slug, version, number = image.split("/")
    return {
        "arn": f"arn:aws:imagebuilder:{region}:{owner}:image/{image}",
        "name": slug.upper(),
        "version": f"{version}/{number}",
        "dateCreated": "2025-01-01T00:00:00.000Z",
        "state": {"status": "BUILDING"},
        "tags": {"Team": "web"},
    }


def _change_resources(dice: Random, build: Build) -> None:
    amis = [
        {"region": region, "image": f"ami-{dice.randrange(3)}", "state": {"status": "AVAILABLE"}}
        for region in ("us-east-1", "eu-west-1")[: dice.randrange(3)]
    ]
    uris = [f"host:5000/app:{tag}" for tag in ("latest", "1")[: dice.randrange(3)]]
    build["outputResources"] = {
        "amis": amis,
        "containers": [{"region": "us-east-1", "imageUris": uris}] if uris else [],
    }
    build["newMember"] = dice.choice((None, {"deeper": [1]}))


def _answer(dice: Random, builds: list[Build]) -> dict[str, Any]:
    """How the target answers: `pages`, and of a listing that is cut short, how many are `landed`."""
    listed = deepcopy(builds)
    dice.shuffle(listed)
    if listed and dice.random() < 0.2:  # changed its state between two pages
        listed.append({**listed[0], "state": {"status": dice.choice(STATES)}})
    if listed and dice.random() < 0.1:
        listed[-1] = {name: value for name, value in listed[-1].items() if name != "arn"}
    size = dice.choice((1, 2, 5))
    pages = [listed[start : start + size] for start in range(0, len(listed), size)]
    pages.insert(dice.randrange(len(pages) + 1), [])
    how = dice.choice(HOWS)
    if how == "cut":
        pages.append([])  # the page that is refused
        return {"how": how, "pages": pages, "landed": dice.randrange(1, len(pages))}
    return {"how": how, "pages": pages} if how == "whole" else {"how": how}


def _care(dice: Random) -> Iterator[Step]:
    if dice.random() < 0.35:
        do = dice.choice(CARE)
        step: Step = {"do": do}
        if do not in ("maintain", "tidy"):
            step["day"] = dice.choice(DAYS[:3] if do == "retire" else DAYS)
        if do == "rollback":
            step["nth"] = dice.randrange(4)
        yield step
