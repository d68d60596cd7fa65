"""The report's first section: what must not be overlooked, and the numbers that most come for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from flows.report import coverage
from flows.report.content import Alarm, Fact, Point, Row, Section, Tile
from flows.report.moods import BAD, OK, PLAIN, WARN
from flows.report.outcomes import Period, period_of
from flows.report.reading import Answers
from flows.report.wording import percent
from flows.terminal import counted

_STALE: Final = timedelta(hours=36)
"""As target_freshness has it: a daily snapshot that was missed, and half a day."""


def facts(answers: Answers) -> list[Fact]:
    """The page's head: which snapshot it shows."""
    newest = answers["summary"].row
    return [
        Fact("Snapshot of", newest["snapshot_date"], "date"),
        Fact("committed", newest["committed_at"], "instant"),
        Fact("run", newest["run_id"], "code"),
    ]


def section(answers: Answers, now: datetime) -> Section:
    """The numbers that most come for, below what must not be overlooked."""
    newest = answers["summary"].row
    return Section(
        "summary",
        "Summary",
        f"{counted(newest['builds'], 'build')} of {counted(newest['images'], 'image')}, "
        f"{_golden(newest['golden_images'], newest['images'])}",
        "A golden build is an image's newest AVAILABLE one that lists an AVAILABLE AMI or a container.",
        alarms=[*_alarms(answers, now)],
        tiles=[*_tiles(answers)],
        tells_gaps=False,
    )


def _alarms(answers: Answers, now: datetime) -> Iterator[Alarm]:
    newest = answers["summary"].row
    if newest["is_demo"]:
        yield Alarm(WARN, "These are builds of an emulated fleet, not of an AWS account.")
    yield from coverage.alarms(answers)
    if now - newest["committed_at"] > _STALE:
        hours = int((now - newest["committed_at"]).total_seconds() // 3600)
        age = counted(hours // 24, "day") if hours >= 48 else counted(hours, "hour")
        yield Alarm(WARN, f"The newest snapshot is {age} old.")
    if newest["snapshots"] == 1:
        yield Alarm(WARN, "The lake has one date: nothing can be told yet of what changed.")
    if warnings := json.loads(newest["warnings"] or "[]"):
        points = [Point("", warning) for warning in warnings]
        yield Alarm(WARN, "The data checks of the newest snapshot had something to say.", points)


def _tiles(answers: Answers) -> Iterator[Tile]:
    newest = answers["summary"].row
    covered = coverage.coverage_of(answers)
    yield Tile(
        "Targets read whole",
        f"{covered.whole:,} of {covered.asked:,}",
        "in the newest snapshot",
        OK if covered.is_complete else BAD,
    )
    yield _success(period_of(answers))
    share = percent(newest["failed_builds"], newest["builds"]) if newest["builds"] else ""
    yield Tile("Failed builds listed", f"{newest['failed_builds']:,}", share and f"{share} of all")
    yield Tile("AMIs", f"{newest['amis']:,}", _containers(newest))
    stuck = answers["stuck_builds"].total
    yield Tile("Stuck builds", f"{stuck:,}", "run longer than usual", WARN if stuck else PLAIN)
    overdue = answers["deprecation_totals"].row["overdue"]
    yield Tile("Overdue", f"{overdue:,}", "past their deprecation time", WARN if overdue else PLAIN)
    without = answers["image_age_totals"].row["without_golden"]
    yield Tile("Without a golden build", f"{without:,}", "images", WARN if without else PLAIN)
    if newest["previous_date"]:
        changed = sum(row["count"] for row in answers["changes"].rows)
        yield Tile("Changed state, came or went", f"{changed:,}", "since the captures before")


def _golden(golden: int, images: int) -> str:
    return "each with a golden build" if golden == images > 0 else f"{golden:,} with a golden build"


def _success(period: Period) -> Tile:
    return Tile("Success rate", period.rate, f"{counted(period.ended, 'build')} ended in 30 days")


def _containers(newest: Row) -> str:
    return f"and {counted(newest['containers'], 'container URI')}" if newest["containers"] else ""
