"""The sections that say how builds end: success over time, states, failures, stuck ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flows.report import charts
from flows.report.content import Figure, Section
from flows.report.moods import BAD, WARN, colour_of
from flows.report.reading import Answers
from flows.report.wording import of_all, percent, table_of
from flows.terminal import counted

_PERIOD_DAYS: Final = 30
_SERIES: Final = {
    "failed": "failed",
    "running": "under way",
    "rest": "cancelled or not known",
    "succeeded": "succeeded",
}
"""By column the series' name, from the foot of the stack: what failed is compared best there."""


@dataclass(frozen=True)
class Period:
    """How the builds of some days ended."""

    succeeded: int
    failed: int

    @property
    def ended(self) -> int:
        """Builds that succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def rate(self) -> str:
        """The part that succeeded."""
        return percent(self.succeeded, self.ended) if self.ended else "none"


def period_of(answers: Answers, days_before: int = 0) -> Period:
    """The 30 days up to the newest snapshot, or up to so many days before it."""
    last = answers["summary"].row["snapshot_date"] - timedelta(days=days_before)
    rows = [
        row
        for row in answers["outcomes_by_day"].rows
        if last - timedelta(days=_PERIOD_DAYS) < row["day"] <= last
    ]
    return Period(sum(row["succeeded"] for row in rows), sum(row["failed"] for row in rows))


def success(answers: Answers) -> Section:
    """How many of the builds succeeded, day by day."""
    days = answers["outcomes_by_day"].rows
    return Section(
        "success",
        "Success over time",
        _success(period_of(answers), period_of(answers, _PERIOD_DAYS)),
        "By the UTC day of a build's creation, each in its last known state, those that were deleted "
        "since too. The rate is of those that succeeded or failed: AVAILABLE, DEPRECATED or DISABLED "
        "against FAILED."
        if days
        else "No build was created in the 60 days up to the newest snapshot.",
        figures=[*_over_time(answers)],
    )


def _success(now: Period, before: Period) -> str:
    if not now.ended:
        return "No build ended in the last 30 days"
    told = f"{now.rate} of {counted(now.ended, 'build')} succeeded in 30 days"
    if not before.ended:
        return told
    if before.rate == now.rate:
        return f"{told}, as in the 30 before"
    is_up = now.succeeded * before.ended > before.succeeded * now.ended
    return f"{told}, {'up' if is_up else 'down'} from {before.rate}"


def _over_time(answers: Answers) -> Iterator[Figure]:
    answer = answers["outcomes_by_day"]
    if not answer.rows:
        return
    first, last = answer.rows[-1]["day"], answer.rows[0]["day"]
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rated = [row for row in answer.rows if row["week_rate"] is not None]
    if rated:
        low = min(rated, key=lambda row: (row["week_rate"], row["day"]))
        yield Figure(
            "success-rate",
            "Success rate",
            f"Line: the seven days up to each day. Dots: each day alone. Lowest: "
            f"{percent(low['week_rate'])}, up to {low['day']}.",
            charts.rate_by_day(rated, days),
            table_of(
                "Success rate by day",
                answer,
                ("day", "Created", "date"),
                ("rate", "That day", "share"),
                ("week_rate", "Seven days", "share"),
            ),
        )
    stacked = [
        {"day": row["day"], "series": name, "count": row[column]}
        for row in answer.rows
        for column, name in _SERIES.items()
        if row[column]
    ]
    present = [name for name in _SERIES.values() if any(row["series"] == name for row in stacked)]
    most = max(answer.rows, key=lambda row: (row["failed"], row["day"]))
    yield Figure(
        "outcomes",
        "Builds by outcome",
        f"Most failures in a day: {most['failed']:,}, on {most['day']}."
        if most["failed"]
        else "None failed.",
        charts.columns_by_day(stacked, days, {name: colour_of(name) for name in present}, "builds"),
        table_of(
            "Builds by day and outcome",
            answer,
            ("day", "Created", "date"),
            ("succeeded", "Succeeded", "count"),
            ("failed", "Failed", "count"),
            ("running", "Under way", "count"),
            ("cancelled", "Cancelled", "count"),
            ("unknown", "Not known", "count"),
        ),
    )


def states(answers: Answers) -> Section:
    """In which states the builds are now."""
    answer = answers["states"]
    total = sum(row["count"] for row in answer.rows)
    available = sum(row["count"] for row in answer.rows if row["label"] == "AVAILABLE")
    if not total:
        return Section("states", "States", "No build is listed")
    figure = Figure(
        "states",
        "Builds by state",
        f"{counted(total, 'build')}, as their targets' newest complete captures list them.",
        charts.bars(answer.rows, "builds", "var(--accent)"),
        table_of(
            "Builds by state",
            answer,
            ("label", "State", "state"),
            ("count", "Builds", "count"),
            ("share", "Share", "share"),
        ),
    )
    return Section(
        "states",
        "States",
        f"{percent(available, total)} of {counted(total, 'listed build')} "
        f"{'is' if total == 1 else 'are'} AVAILABLE",
        figures=[figure],
    )


def failures(answers: Answers) -> Section:
    """What failed, and how often."""
    steps, hotspots = answers["failed_steps"], answers["hotspots"]
    failed, builds = answers["failed_builds"].total, answers["summary"].row["builds"]
    if not failed:
        return Section(
            "failures", "Failures", f"None of {counted(builds, 'listed build')} is FAILED"
        )
    figure = Figure(
        "failed-steps",
        "Failed builds by the step that they stopped at",
        f"The first is {percent(steps.rows[0]['count'], failed)} of them.",
        charts.bars(steps.rows, "failed builds", "var(--bad)"),
        table_of(
            "Failed builds by step",
            steps,
            ("label", "Step", "text"),
            ("count", "Builds", "count"),
        ),
    )
    return Section(
        "failures",
        "Failures",
        f"{of_all(failed, builds, 'listed build')} {'is' if failed == 1 else 'are'} FAILED, "
        f"from {counted(hotspots.total, 'cause')}",
        "A cause is a step, a component and an error whose ids, times and numbers are folded to "
        "words in angle brackets, so that one failure in many builds is one row.",
        pill=f"{failed:,}",
        mood=BAD,
        figures=[figure],
        tables=[
            table_of(
                "Causes, the most frequent first",
                hotspots,
                ("failure_step", "Step", "text"),
                ("component", "Component", "text"),
                ("error_pattern", "Error", "words"),
                ("build_count", "Builds", "count"),
                ("image_count", "Images", "count"),
                ("last_seen_at", "Last", "date"),
            ),
            table_of(
                "The newest failed builds",
                answers["failed_builds"],
                ("build", "Image, version", "build"),
                ("target", "Account, region", "target"),
                ("created_at", "Created", "instant"),
                ("failure_step", "Step", "text"),
                ("error_message", "Error", "words"),
            ),
        ],
    )


def stuck(answers: Answers) -> Section:
    """Which builds run for longer than theirs usually do."""
    answer, running = answers["stuck_builds"], answers["running"].row["builds"]
    lead = (
        "A build seems stuck that runs for 24 hours or more, and for longer than 19 of 20 builds of "
        "its image took whose end was seen."
    )
    if not answer.rows:
        return Section("stuck", "Stuck builds", _none_stuck(running), lead)
    return Section(
        "stuck",
        "Stuck builds",
        f"{of_all(answer.total, running, 'running build')} "
        f"{'seems' if answer.total == 1 else 'seem'} stuck",
        lead,
        pill=f"{answer.total:,}",
        mood=WARN,
        tables=[
            table_of(
                "Builds that run too long, the longest first",
                answer,
                ("build", "Image, version", "build"),
                ("target", "Account, region", "target"),
                ("state_status", "State", "state"),
                ("created_at", "Created", "instant"),
                ("running_hours", "Runs for", "hours"),
                ("usual_hours", "Usually at most", "hours"),
            )
        ],
    )


def _none_stuck(running: int) -> str:
    if not running:
        return "No build is running"
    if running == 1:
        return "The one running build does not seem stuck"
    return f"None of {running:,} running builds seems stuck"
