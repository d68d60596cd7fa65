"""The report says above every number what it lacks: what was not read, one date, no build at all."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from lake.folder import Folder
from tests.reported import NOW, Parsed, commit_targets, page_on, published, report_on, rows_of
from tests.rows import Row, build, covered
from tests.small_history import HOME
from tests.small_runs import small_lake, small_warehouse, write_small_history
from tests.test_writer import commit_rows

__all__ = ["small_lake", "small_warehouse"]  # fixtures are used by their names


def test_the_summary_names_who_could_not_be_read(small_warehouse: Path) -> None:
    summary = report_on(small_warehouse).sections[0]
    (alarm,) = summary.alarms
    assert alarm.says == "2 of 4 targets could not be read whole on 2025-11-20."
    assert [(point.subject, point.says) for point in alarm.points] == [
        ("333333333333 / us-east-1", "failed, never read: denied"),
        ("111111111111 / ap-south-1", "failed, shows 1 build of 2025-11-16: denied"),
    ]
    assert [(tile.label, tile.value, tile.note) for tile in summary.tiles] == [
        ("Targets read whole", "2 of 4", "in the newest snapshot"),
        ("Success rate", "69.2%", "13 builds ended in 30 days"),
        ("Failed builds listed", "3", "18.8% of all"),
        ("AMIs", "8", "and 4 container URIs"),
        ("Stuck builds", "2", "run longer than usual"),
        ("Overdue", "1", "past their deprecation time"),
        ("Without a golden build", "1", "images"),
        ("Changed state, came or went", "5", "since the captures before"),
    ]


def test_an_empty_lake_says_so(folder: Folder, tmp_path: Path) -> None:
    warehouse = published(folder)
    (section,) = report_on(warehouse).sections
    assert section.finding == "The lake has no snapshot yet"
    told = Parsed(page_on(warehouse, tmp_path)).text
    assert "The lake has no snapshot yet" in told
    assert "imagelake run" in told


def test_one_date_says_that_nothing_can_be_compared(folder: Folder) -> None:
    write_small_history(folder, until=1)
    report = report_on(published(folder))
    findings = {section.name: section for section in report.sections}
    assert findings["changes"].finding == "No target can be compared with a capture before"
    assert findings["changes"].lead == (
        "It takes two whole captures of a target to tell. 3 targets with 10 builds were read whole "
        "for the first time and not counted as new."
    )
    assert [alarm.says for alarm in findings["summary"].alarms] == [
        "1 of 4 targets could not be read whole on 2025-11-16.",
        "The newest snapshot is 4 days old.",
        "The lake has one date: nothing can be told yet of what changed.",
    ]
    assert findings["coverage"].figures == []


DAY = date(2025, 11, 19)
READ = covered(HOME, DAY, "complete", "whole", 1)
SHARED = build(HOME, DAY, "app/1.0.0/1", "AVAILABLE", ownership="Shared")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("builds", "finding", "shown"),
    [
        ([], "No build is listed", []),
        ([SHARED], "No own build is listed", []),
        (
            [SHARED, build(HOME, DAY, "web/1.0.0/1", "AVAILABLE", tags=[("Team", "a")])],
            "1 of 1 required tag is on every own build",
            [("Team", "required", 1, 0, 1.0)],
        ),
    ],
    ids=["none", "shared", "own and shared"],
)
def test_the_required_tags_are_those_of_own_builds(
    folder: Folder, builds: list[Row], finding: str, shown: list[tuple[object, ...]]
) -> None:
    """A build of another owner is none that lacks a tag; and without a build of one's own nothing is
    said of what is required.
    """
    commit_rows(
        folder,
        DAY,
        {
            "image_builds": builds,
            "snapshot_targets": [covered(HOME, DAY, "complete", "whole", len(builds))],
            "snapshots": [{"committed_at": NOW, "parameters": '{"required_tag": ["Team"]}'}],
        },
    )
    report = report_on(published(folder))
    (tags,) = (part for part in report.sections if part.name == "tags")
    assert tags.finding == finding
    assert (rows_of(report, "tags") if tags.tables else []) == shown


@pytest.mark.usefixtures("at_once")
def test_an_emulated_fleet_is_told_to_be_one(folder: Folder) -> None:
    """Nobody takes the demo's page for their own builds."""
    snapshot = {"committed_at": NOW, "parameters": '{"demo": true}'}
    commit_rows(folder, DAY, {"snapshot_targets": [READ], "snapshots": [snapshot]})
    assert report_on(published(folder)).sections[0].alarms[0].says == (
        "These are builds of an emulated fleet, not of an AWS account."
    )


@pytest.mark.usefixtures("at_once")
def test_a_snapshot_without_a_build_is_told_in_words(folder: Folder, tmp_path: Path) -> None:
    """No chart is drawn of nothing."""
    commit_targets(folder, DAY, [covered(HOME, DAY, "complete", "whole")], [])
    warehouse = published(folder)
    report = report_on(warehouse)
    assert [section.finding for section in report.sections] == [
        "0 builds of 0 images, 0 with a golden build",
        "Every target was read whole: 1 of 1",
        "No build ended in the last 30 days",
        "No build is listed",
        "None of 0 listed builds is FAILED",
        "No build is running",
        "No image has a build listed",
        "No AVAILABLE build lists an AMI",
        "No AVAILABLE build has a deprecation time set",
        "No build is listed",
        "No target can be compared with a capture before",
    ]
    assert [section.name for section in report.sections if section.figures] == []
    assert "<svg" not in page_on(warehouse, tmp_path)


def test_the_page_says_above_every_number_what_it_lacks(
    small_warehouse: Path, tmp_path: Path
) -> None:
    page = page_on(small_warehouse, tmp_path)
    sections = re.findall(r'<section id="([a-z]+)".*?</section>', page, re.DOTALL)
    assert len(sections) == 11
    assert page.count('<p class="gaps">Incomplete: 1 target never read') == 9
