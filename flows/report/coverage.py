"""Which targets were read, and what the current rows lack: no number stands without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from flows.report import charts
from flows.report.content import Alarm, Figure, Point, Row, Section
from flows.report.moods import BAD, OK, WARN, colour_of
from flows.report.reading import Answers
from flows.report.wording import is_or_are, of_all, table_of, was_or_were
from flows.terminal import counted

STATUSES: Final = ("complete", "truncated", "failed", "skipped")
_POINTS: Final = 5


@dataclass(frozen=True)
class Coverage:
    """The newest snapshot's targets by how their listings ended, and what shows of them."""

    day: date
    by_status: Mapping[str, int]
    never_read: int
    not_asked: int
    narrowed: int
    filtered: int

    @property
    def asked(self) -> int:
        """Targets that were there to be read: the region is enabled."""
        return sum(self.by_status.values()) - self.by_status.get("skipped", 0)

    @property
    def whole(self) -> int:
        """Those of them that were read to the end."""
        return self.by_status.get("complete", 0)

    @property
    def unread(self) -> int:
        """Those that were not."""
        return self.asked - self.whole

    @property
    def is_complete(self) -> bool:
        """True where the current rows are every target's, and of the newest snapshot."""
        return not (
            self.unread or self.never_read or self.not_asked or self.narrowed or self.filtered
        )

    def finding(self) -> str:
        """What was read, in a sentence."""
        if not self.asked:
            return "No target was asked"
        if self.unread:
            return f"{of_all(self.unread, self.asked, 'target')} could not be read whole"
        if self.narrowed or self.filtered:
            seen = max(self.narrowed, self.filtered)
            return f"{of_all(seen, self.asked, 'target')} {was_or_were(seen)} read with a filter"
        if self.not_asked:
            known = self.asked + self.not_asked
            return (
                f"{of_all(self.not_asked, known, 'target')} {was_or_were(self.not_asked)} not asked"
            )
        return f"Every target was read whole: {self.whole:,} of {self.asked:,}"

    def gaps(self) -> str:
        """What the numbers of the report lack; empty where nothing."""
        told = ", ".join((*self._unread(), *self.others()))
        return f"Incomplete: {told}." if told else ""

    def others(self) -> Iterator[str]:
        """What lacks though the newest snapshot read all that it was asked for."""
        if self.narrowed:
            yield f"{counted(self.narrowed, 'target')} read with a filter, shown as before it"
        if self.filtered:
            yield f"{counted(self.filtered, 'target')} of which only a filtered list shows"
        if self.not_asked:
            yield f"{counted(self.not_asked, 'target')} not asked on {self.day}, shown as last read"

    def _unread(self) -> Iterator[str]:
        if self.never_read:
            yield f"{counted(self.never_read, 'target')} never read, whose builds are missing"
        if (stood := self.unread - self.never_read) > 0:
            yield f"{counted(stood, 'target')} not read whole on {self.day}, shown as last read"


def coverage_of(answers: Answers) -> Coverage:
    """What the newest snapshot covered."""
    gaps = answers["target_gaps"].row
    return Coverage(
        day=answers["summary"].row["snapshot_date"],
        by_status={row["status"]: row["targets"] for row in answers["target_statuses"].rows},
        **{name: gaps[name] for name in ("never_read", "not_asked", "narrowed", "filtered")},
    )


def alarms(answers: Answers) -> Iterator[Alarm]:
    """What of the coverage must not be overlooked, with the targets that it is about."""
    coverage = coverage_of(answers)
    if coverage.unread:
        loud = [row for row in answers["targets"].rows if row["status"] in ("failed", "truncated")]
        points = [
            Point(f"{row['account_id']} / {row['region']}", _trouble(row)) for row in loud[:_POINTS]
        ]
        if (left := coverage.unread - len(points)) > 0:
            points.append(Point(f"and {left:,} more", "in the section Coverage"))
        yield Alarm(BAD, f"{coverage.finding()} on {coverage.day}.", points)
    if others := ", ".join(coverage.others()):
        yield Alarm(WARN, f"Incomplete: {others}.")
    elif coverage.is_complete and coverage.asked:
        yield Alarm(OK, f"{coverage.finding()} on {coverage.day}.")


def section(answers: Answers) -> Section:
    """Which targets were read, and what those that were not show instead."""
    coverage = coverage_of(answers)
    words = ", ".join(f"{count:,} {status}" for status, count in _by_status(coverage))
    targets = table_of(
        "Targets, those with trouble first",
        answers["targets"],
        ("target", "Account, region", "target"),
        ("status", "Newest listing", "state"),
        ("shows_date", "Shows", "date"),
        ("last_read", "Read at", "instant"),
        ("builds", "Builds", "count"),
        ("error_message", "Error", "words"),
    )
    return Section(
        "coverage",
        "Coverage",
        coverage.finding(),
        f"A target is one account in one region. Those of the newest snapshot: {words}. One that could "
        "not be read shows the builds of its last whole capture; one that was never read shows none.",
        pill=f"{coverage.unread:,} unread" if coverage.unread else "",
        mood=BAD,
        figures=[*_by_date(answers)],
        tables=[targets],
        tells_gaps=False,
    )


def _by_status(coverage: Coverage) -> list[tuple[str, int]]:
    known = [(status, coverage.by_status.get(status, 0)) for status in STATUSES]
    return [(status, count) for status, count in known if count]


def _by_date(answers: Answers) -> Iterator[Figure]:
    answer = answers["targets_by_date"]
    rows: list[Row] = [row for row in answer.rows if row["series"] in STATUSES]
    dates = {row["day"] for row in rows}
    if len(dates) < 2:
        return
    partial = {row["day"] for row in rows if row["series"] in ("failed", "truncated")}
    whole = len(dates) - len(partial)
    present = [s for s in reversed(STATUSES) if any(row["series"] == s for row in rows)]
    yield Figure(
        "targets-by-date",
        "Targets of each snapshot, by how their listings ended",
        f"{of_all(whole, len(dates), 'snapshot')} {is_or_are(whole)} of every target, whole.",
        charts.columns_by_day(rows, [*dates], {s: colour_of(s) for s in present}, "targets"),
        table_of(
            "Targets of each snapshot",
            answer,
            ("day", "Snapshot", "date"),
            ("series", "Listing", "state"),
            ("count", "Targets", "count"),
        ),
    )


def _trouble(target: Row) -> str:
    shows = (
        f"shows {counted(target['builds'], 'build')} of {target['shows_date']}"
        if target["shows_date"]
        else "never read"
    )
    return f"{target['status']}, {shows}: {target['error_message'] or 'no reason was given'}"
