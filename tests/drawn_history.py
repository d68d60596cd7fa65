"""Runs drawn at random: targets are covered in every way; builds come, go, change and come back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from tests.rows import Row, Target, ami, arn_of, build, covered, noon
from tests.test_writer import Rows

TARGETS: Final[dict[Target, list[str]]] = {
    ("111111111111", "us-east-1"): ["whole"] * 7 + ["filtered", "part", "none"],
    ("222222222222", "us-east-1"): ["whole", "whole", "filtered", "part", "none"],
    ("222222222222", "eu-west-1"): ["carried", "filtered", "none"],
    ("333333333333", "us-east-1"): ["filtered", "part", "none"],
}
"""By target, how a run may cover it; carried is as whole, though the run itself was denied."""
DATES: Final = [date(2025, 11, 1) + timedelta(days=number) for number in range(0, 18, 2)]
"""The days between have no snapshot."""
IMAGES: Final = [f"{slug}/1.{number}.0/1" for slug in ("web", "db") for number in range(5)]
STATES: Final = ("BUILDING", "AVAILABLE", "FAILED")


def draw_history(dice: random.Random) -> tuple[list[tuple[date, Rows]], dict[date, Rows]]:
    """Runs in the order of their commits, and those of them that show.

    Builds mostly stay as they are; dates come in any order, and some are run twice.
    """
    standing: dict[Target, dict[str, dict[str, Any]]] = {target: {} for target in TARGETS}
    replaced, shown = [], {}
    for day in DATES:
        if dice.random() < 0.4:
            replaced.append((day, _draw_run(dice, day, standing)))
        for builds in standing.values():
            _go_on(dice, builds)
        shown[day] = _draw_run(dice, day, standing)
    runs = list(shown.items())
    dice.shuffle(replaced)
    dice.shuffle(runs)
    return [*replaced, *runs], shown


def _go_on(dice: random.Random, builds: dict[str, dict[str, Any]]) -> None:
    """A few builds come, go or change."""
    new: dict[str, Any] = {"status": "BUILDING", "tags": [("Team", "web"), ("Stage", None)]}
    for image in IMAGES:
        match dice.randrange(12):
            case 0 | 1 if image in builds:
                del builds[image]
            case 0 | 1 | 2 | 3 if image not in builds:
                builds[image] = dict(new)
            case 2 | 3:
                builds[image]["status"] = dice.choice(STATES)
            case 4 if image in builds:
                builds[image]["tags"] = dice.choice([None, [], [("Team", "db")]])
            case 5 if image in builds and builds[image]["tags"]:
                builds[image]["tags"] = builds[image]["tags"][::-1]  # no change
            case 6 if image in builds:
                builds[image]["created_at"] = dice.choice([None, noon(DATES[0])])


def _draw_run(
    dice: random.Random, day: date, standing: Mapping[Target, dict[str, dict[str, Any]]]
) -> Rows:
    table: dict[str, list[Row]] = {
        name: [] for name in ("image_builds", "image_amis", "snapshot_targets")
    }
    for target, kinds in TARGETS.items():
        coverage = dice.choice(kinds)
        listed = list(standing[target].items()) if coverage != "none" else []
        if coverage in ("filtered", "part"):
            listed = [each for each in listed if dice.random() < 0.5]
        builds = [dict(build(target, day, image, **facts)) for image, facts in listed]
        for number, row in enumerate(builds):
            if listed[number][0] == IMAGES[0]:  # shared: of the same ARN in every target
                row["arn"] = arn_of(next(iter(TARGETS)), IMAGES[0])
            if row["state_status"] == "AVAILABLE":
                made = ami(target, day, listed[number][0], 0, target[1], "AVAILABLE")
                table["image_amis"].append({**made, "image_arn": row["arn"]})
        if builds and dice.random() < 0.3:
            builds.append({**builds[0], "arn": None})
        table["image_builds"] += builds
        table["snapshot_targets"].append(_cover(target, day, coverage, len(builds)))
    return {**table, "snapshots": [{"status": "complete"}]}


def _cover(target: Target, day: date, coverage: str, count: int) -> Row:
    if coverage == "carried":
        carried = covered(target, day, "failed", "whole", count)
        return {**carried, "carried_from": "an earlier run"}
    status = {"none": "failed", "part": "truncated"}.get(coverage, "complete")
    return covered(target, day, status, coverage, count)
