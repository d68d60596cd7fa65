"""The report counts each target once: as read whole, or as what it lacks, whatever the dates before."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import product

import pytest

from flows.report.reading import read_answers
from lake.folder import Folder
from lake.warehouse import connect
from tests.reported import commit_targets, published, report_on, rows_of
from tests.rows import Row, build, covered
from tests.small_history import HOME, LONE, NEVER, OTHER

DAY, LATER = date(2025, 11, 19), date(2025, 11, 20)
WEB = build(HOME, DAY, "web/1.0.0/1", "AVAILABLE")
READ = covered(HOME, DAY, "complete", "whole", 1)
UNLISTED = (OTHER[0], "all")


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("first", "second", "finding", "gaps"),
    [
        ([READ], [READ], "Every target was read whole: 1 of 1", ""),
        (
            [READ, covered(OTHER, DAY, "complete", "whole")],
            [READ],
            "1 of 2 targets was not asked",
            "Incomplete: 1 target not asked on 2025-11-20, shown as last read.",
        ),
        (
            [READ],
            [covered(HOME, LATER, "complete", "filtered", 0)],
            "1 of 1 target was read with a filter",
            "Incomplete: 1 target read with a filter, shown as before it.",
        ),
        (
            [covered(HOME, DAY, "complete", "filtered", 1)],
            [covered(HOME, LATER, "complete", "filtered", 1)],
            "1 of 1 target was read with a filter",
            "Incomplete: 1 target of which only a filtered list shows.",
        ),
        (
            [READ],
            [covered(HOME, LATER, "truncated", "part", 1)],
            "1 of 1 target could not be read whole",
            "Incomplete: 1 target not read whole on 2025-11-20, shown as last read.",
        ),
        (
            [READ],
            [READ, covered(OTHER, LATER, "failed", "none")],
            "1 of 2 targets could not be read whole",
            "Incomplete: 1 target never read, whose builds are missing.",
        ),
        (
            [READ, covered(UNLISTED, DAY, "failed", "none")],
            [READ, covered(OTHER, LATER, "complete", "whole")],
            "Every target was read whole: 2 of 2",
            "",
        ),
        (
            [READ, covered(OTHER, DAY, "complete", "whole")],
            [READ, covered(UNLISTED, LATER, "failed", "none")],
            "1 of 2 targets could not be read whole",
            "Incomplete: 1 target never read, whose builds are missing, 1 target not asked on "
            "2025-11-20, shown as last read.",
        ),
        (
            [covered(HOME, DAY, "skipped", "none")],
            [covered(HOME, LATER, "skipped", "none")],
            "No target was asked",
            "",
        ),
        (
            [READ, covered(OTHER, DAY, "failed", "none")],
            [covered(HOME, LATER, "failed", "none")],
            "1 of 1 target could not be read whole",
            "Incomplete: 1 target never read, whose builds are missing, 1 target not read whole on "
            "2025-11-20, shown as last read.",
        ),
        (
            [READ, covered(OTHER, DAY, "failed", "none")],
            [READ],
            "1 of 2 targets was not asked",
            "Incomplete: 1 target never read, whose builds are missing.",
        ),
        (
            [covered(target, DAY, "complete", "filtered", 1) for target in (HOME, OTHER, LONE)],
            [covered(NEVER, LATER, "complete", "whole")],
            "3 of 4 targets were not asked",
            "Incomplete: 3 targets not asked on 2025-11-20, shown as last read (3 through a filter).",
        ),
        (
            [READ],
            [covered(target, LATER, "complete", "filtered", 1) for target in (HOME, OTHER)],
            "2 of 2 targets were read with a filter",
            "Incomplete: 1 target read with a filter, shown as before it, 1 target of which only a "
            "filtered list shows.",
        ),
        (
            [READ, covered(OTHER, DAY, "skipped", "none")],
            [READ],
            "Every target was read whole: 1 of 1",
            "",
        ),
    ],
    ids=[
        *("whole", "not asked", "narrowed", "filtered", "truncated", "never read"),
        *("regions listed since", "regions not listed", "skipped"),
        *(
            "never read and another one failed",
            "never read and not asked",
            "filtered and not asked",
        ),
        *("narrowed and filtered", "skipped and not asked"),
    ],
)
def test_what_is_incomplete_never_looks_complete(
    folder: Folder, first: list[Row], second: list[Row], finding: str, gaps: str
) -> None:
    """The finding says it, and so does a line above the numbers of every section."""
    for day, targets in ((DAY, first), (LATER, second)):
        held = any(row["coverage"] != "none" for row in targets)
        commit_targets(folder, day, targets, [WEB] if held else [])
    report = report_on(published(folder))
    assert (report.sections[1].finding, report.gaps) == (finding, gaps)
    tile = report.sections[0].tiles[0]
    assert (tile.mood == "ok") is (gaps == "")
    assert any(alarm.mood in ("bad", "warn") for alarm in report.sections[0].alarms) is (gaps != "")


ENDED = {
    "whole": ("complete", "whole"),
    "filtered": ("complete", "filtered"),
    "truncated": ("truncated", "part"),
    "failed": ("failed", "none"),
    "skipped": ("skipped", "none"),
}
"""How a target's listing ends, with its row's status and coverage."""
SECOND = ("", *ENDED)
KINDS = {
    "": ("", "whole", "filtered", "never read", "never read", "skipped"),
    "whole": ("not asked", "whole", "narrowed", "not read", "not read", "skipped"),
    "filtered": ("not asked", "whole", "filtered", "not read", "not read", "filtered"),
    "truncated": ("never read", "whole", "filtered", "never read", "never read", "skipped"),
    "failed": ("never read", "whole", "filtered", "never read", "never read", "skipped"),
    "skipped": ("skipped", "whole", "filtered", "never read", "never read", "skipped"),
}
"""By how a target was read on the first date: its kind, by how it was on the second, as in SECOND."""


@pytest.mark.usefixtures("at_once")
def test_every_target_is_of_one_kind(folder: Folder) -> None:
    """Of each way that two dates can have read a target, or not asked for it, there is one here."""
    days: dict[date, list[Row]] = {DAY: [], LATER: []}
    kinds: Counter[tuple[str, bool, bool]] = Counter()
    told = [
        (*ends, kind)
        for first, row in KINDS.items()
        for ends, kind in zip(product((first,), SECOND), row, strict=True)
        if kind
    ]
    for number, (first, second, kind) in enumerate(told):
        target = (f"{number:012}", "us-east-1")
        for day, ended in ((DAY, first), (LATER, second)):
            if ended:
                days[day].append(covered(target, day, *ENDED[ended]))
        shows_filtered = "filtered" in (first, second) and "whole" not in (first, second)
        kinds[kind, second not in ("", "skipped"), shows_filtered] += 1
    for day, targets in days.items():
        commit_targets(folder, day, targets, [])
    warehouse = published(folder)
    with connect(warehouse) as connection:
        rows = read_answers(connection)["target_gaps"].rows
    columns = ("kind", "is_asked", "is_filtered", "targets")
    assert sorted(tuple(row[name] for name in columns) for row in rows) == sorted(
        (*kind, targets) for kind, targets in kinds.items()
    )
    report = report_on(warehouse)
    assert report.sections[1].finding == "12 of 24 targets could not be read whole"
    assert report.gaps == (
        "Incomplete: 10 targets never read, whose builds are missing, 4 targets not read whole on "
        "2025-11-20, shown as last read (2 through a filter), 1 target read with a filter, shown as "
        "before it, 6 targets of which only a filtered list shows, 2 targets not asked on 2025-11-20, "
        "shown as last read (1 through a filter)."
    )
    assert [alarm.says for alarm in report.sections[0].alarms] == [
        "12 of 24 targets could not be read whole on 2025-11-20.",
        "Incomplete: 2 targets never read, whose builds are missing, 1 target read with a filter, "
        "shown as before it, 6 targets of which only a filtered list shows, 2 targets not asked on "
        "2025-11-20, shown as last read (1 through a filter).",
    ]


@pytest.mark.usefixtures("at_once")
def test_a_filtered_listing_is_no_whole_one(folder: Folder) -> None:
    """Neither in the tile, nor in the figure of the dates, nor in the table of the targets.

    A skipped region takes nothing from a date.
    """
    skipped = covered(LONE, DAY, "skipped", "none")
    for day, targets in (
        (DAY - timedelta(1), [READ, covered(OTHER, DAY, "complete", "whole"), skipped]),
        (DAY, [READ, covered(OTHER, DAY, "complete", "filtered", 1)]),
        (LATER, [covered(target, LATER, "complete", "filtered", 1) for target in (NEVER, OTHER)]),
    ):
        commit_targets(folder, day, targets, [])
    report = report_on(published(folder))
    summary, coverage = report.sections[:2]
    assert (summary.tiles[0].value, summary.tiles[0].mood) == ("0 of 2", "bad")
    assert "Those of the newest snapshot: 2 filtered." in coverage.lead
    (figure,) = coverage.figures
    assert figure.says == "1 of 3 snapshots is of every target, whole."
    assert [(row["day"].day, row["series"], row["count"]) for row in figure.numbers.rows] == [
        (20, "filtered", 2),
        *((19, "complete", 1), (19, "filtered", 1)),
        *((18, "complete", 2), (18, "skipped", 1)),
    ]
    assert [row[:3] for row in rows_of(report, "coverage")] == [
        (HOME, "not asked", DAY),
        (OTHER, "filtered", DAY - timedelta(1)),
        (NEVER, "filtered", LATER),
        (LONE, "skipped", None),
    ]
