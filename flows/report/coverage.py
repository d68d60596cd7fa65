"""Which targets were read, and what the current rows lack: no number stands without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Final

from flows.report import charts
from flows.report.content import Alarm, Figure, Point, Row, Section
from flows.report.moods import BAD, OK, WARN, colour_of
from flows.report.reading import Answers
from flows.report.wording import is_or_are, of_all, table_of, was_or_were
from flows.terminal import counted

STATUSES: Final = ("complete", "filtered", "truncated", "failed", "skipped")
_FINE: Final = ("complete", "skipped")
"""The statuses that take nothing from a date."""
_POINTS: Final = 5


@dataclass(frozen=True)
class Coverage:
    """The newest snapshot's targets by how their listings ended, and all targets by what shows of them.

    `kinds` are the rows of target_gaps. Every number is a sum of theirs, so that none is told twice
    and no two are of different targets.
    """

    day: date
    by_status: Mapping[str, int]
    kinds: Sequence[Row]

    def count(self, *kinds: str, **marks: bool) -> int:
        """Targets of these kinds, of any where none is named, and of these marks."""
        return sum(
            row["targets"]
            for row in self.kinds
            if (not kinds or row["kind"] in kinds) and marks.items() <= row.items()
        )

    @property
    def asked(self) -> int:
        """Targets that were there to be read: the region is enabled."""
        return self.count(is_asked=True)

    @property
    def whole(self) -> int:
        """Those of them that were read to the end, and without a filter."""
        return self.count("whole")

    @property
    def unread(self) -> int:
        """Those of them that were not read to the end."""
        return self.count("never read", "not read", is_asked=True)

    @property
    def is_complete(self) -> bool:
        """True where the current rows are every target's, and of the newest snapshot."""
        return not self.gaps()

    def finding(self) -> str:
        """What was read, in a sentence."""
        if not self.asked:
            return "No target was asked"
        if self.unread:
            return f"{of_all(self.unread, self.asked, 'target')} could not be read whole"
        if seen := self.count("narrowed", "filtered", is_asked=True):
            return f"{of_all(seen, self.asked, 'target')} {was_or_were(seen)} read with a filter"
        if left := self.count("never read", "not asked", "filtered", is_asked=False):
            return f"{of_all(left, self.asked + left, 'target')} {was_or_were(left)} not asked"
        return f"Every target was read whole: {self.whole:,} of {self.asked:,}"

    def gaps(self) -> str:
        """What the numbers of the report lack; empty where nothing."""
        return _incomplete(self._missing(), self._kept("not read", "read whole"), self._others())

    def other_gaps(self) -> str:
        """Those of them that are not of a target that the newest snapshot asked and failed to read."""
        return _incomplete(self._missing(is_asked=False), self._others())

    def _missing(self, **marks: bool) -> Iterator[str]:
        if count := self.count("never read", **marks):
            yield f"{counted(count, 'target')} never read, whose builds are missing"

    def _others(self) -> Iterator[str]:
        if narrowed := self.count("narrowed"):
            yield f"{counted(narrowed, 'target')} read with a filter, shown as before it"
        if filtered := self.count("filtered"):
            yield f"{counted(filtered, 'target')} of which only a filtered list shows"
        yield from self._kept("not asked", "asked")

    def _kept(self, kind: str, what: str) -> Iterator[str]:
        """The targets of a kind that show what an earlier snapshot read."""
        if count := self.count(kind):
            filtered = self.count(kind, is_filtered=True)
            told = f"{counted(count, 'target')} not {what} on {self.day}, shown as last read"
            yield told + (f" ({filtered:,} through a filter)" if filtered else "")


def coverage_of(answers: Answers) -> Coverage:
    """What the newest snapshot covered."""
    return Coverage(
        day=answers["summary"].row["snapshot_date"],
        by_status={row["status"]: row["targets"] for row in answers["target_statuses"].rows},
        kinds=answers["target_gaps"].rows,
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
    if others := coverage.other_gaps():
        yield Alarm(WARN, others)
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


def _incomplete(*lacks: Iterable[str]) -> str:
    told = ", ".join(chain(*lacks))
    return f"Incomplete: {told}." if told else ""


def _by_status(coverage: Coverage) -> list[tuple[str, int]]:
    known = [(status, coverage.by_status.get(status, 0)) for status in STATUSES]
    return [(status, count) for status, count in known if count]


def _by_date(answers: Answers) -> Iterator[Figure]:
    answer = answers["targets_by_date"]
    rows: list[Row] = [row for row in answer.rows if row["series"] in STATUSES]
    dates = {row["day"] for row in rows}
    if len(dates) < 2:
        return
    partial = {row["day"] for row in rows if row["series"] not in _FINE}
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
