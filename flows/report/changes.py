"""What came, went and changed since the captures before the newest snapshot's."""

from __future__ import annotations

from collections.abc import Iterator

from flows.report import charts
from flows.report.content import Figure, Row, Section
from flows.report.moods import WARN
from flows.report.reading import Answer, Answers
from flows.report.wording import is_or_are, table_of, was_or_were
from flows.terminal import counted

_MOST_BARS = 12


def section(answers: Answers) -> Section:
    """What changed, and between which captures that is known."""
    compared = answers["compared_targets"].row
    if not compared["compared"]:
        return Section(
            "changes",
            "Changes",
            "No target can be compared with a capture before",
            f"It takes two whole captures of a target to tell. {_first(compared)}".strip(),
        )
    answer = answers["changes"]
    figures = [*_transitions(answer)]
    return Section(
        "changes",
        "Changes",
        _finding(answer, compared),
        " ".join(filter(None, _lead(compared, answers["other_changes"].row["builds"]))),
        pill=f"{_gone(answer.rows):,} gone" if _gone(answer.rows) else "",
        mood=WARN,
        figures=figures,
        tables=[
            table_of(
                "Build by build: failed first, then gone",
                answers["changed_builds"],
                ("build", "Image, version", "build"),
                ("target", "Account, region", "target"),
                ("was", "Was", "state"),
                ("is_now", "Is", "state"),
                ("from_date", "Compared with", "date"),
                ("state_reason", "Reason", "words"),
            )
        ]
        if figures
        else [],
    )


def _finding(answer: Answer, compared: Row) -> str:
    by_change: dict[str, int] = {}
    for row in answer.rows:
        by_change[row["change"]] = by_change.get(row["change"], 0) + row["count"]
    since = f"since {compared['latest_date']}"
    if not by_change:
        return f"No build came, went or changed its state {since}"
    told = [
        f"{by_change[change]:,} {words}"
        for change, words in (
            ("first_seen", "new"),
            ("changed", "in another state"),
            ("disappeared", "gone"),
            ("reappeared", "back"),
        )
        if change in by_change
    ]
    return f"Builds {since}: {', '.join(told)}"


def _lead(compared: Row, others: int) -> Iterator[str]:
    yield (
        f"{counted(compared['compared'], 'target')} that the newest snapshot read whole "
        f"{is_or_are(compared['compared'])} compared with the whole capture before; one "
        "that could not be read changes nothing."
    )
    if compared["earliest_date"] < compared["latest_date"]:
        yield f"For some the one before is older: the oldest is of {compared['earliest_date']}."
    if others:
        yield f"{counted(others, 'build')} changed in another column than the state."
    yield _first(compared)


def _first(compared: Row) -> str:
    if not compared["first_read"]:
        return ""
    targets, builds = compared["first_read"], counted(compared["first_builds"], "build")
    return (
        f"{counted(targets, 'target')} with {builds} {was_or_were(targets)} read whole for the first "
        "time and not counted as new."
    )


def _gone(rows: list[Row]) -> int:
    return sum(row["count"] for row in rows if row["change"] == "disappeared")


def _transitions(answer: Answer) -> Iterator[Figure]:
    if not answer.rows:
        return
    rows = [
        {"label": f"{row['was']} → {row['is_now']}", "count": row["count"]} for row in answer.rows
    ]
    yield Figure(
        "changes",
        "Builds by what their state was and is",
        f"{counted(len(rows), 'kind')} of change"
        + (f"; the {_MOST_BARS} most frequent are drawn." if len(rows) > _MOST_BARS else "."),
        charts.bars(rows[:_MOST_BARS], "builds", "var(--accent)"),
        table_of(
            "Builds by change of state",
            answer,
            ("was", "Was", "state"),
            ("is_now", "Is", "state"),
            ("count", "Builds", "count"),
        ),
    )
