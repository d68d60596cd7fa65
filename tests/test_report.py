"""What the report says: of whole and partial snapshots, of little and of much, of hostile text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from flows.report.reading import queries, read_answers
from lake.folder import Folder
from lake.warehouse import connect
from tests.hostile_lake import BUILDS, hostile_warehouse
from tests.reported import NOW, Parsed, page_on, published, report_on, rows_of
from tests.rows import ami, build, covered
from tests.small_history import HOME, LONE, OTHER
from tests.small_runs import small_lake, small_warehouse
from tests.test_writer import commit_rows

__all__ = ["hostile_warehouse", "small_lake", "small_warehouse"]  # fixtures are used by their names


def test_each_section_states_its_finding(small_warehouse: Path) -> None:
    report = report_on(small_warehouse)
    assert [(section.label, section.finding) for section in report.sections] == [
        ("Summary", "16 builds of 6 images, 5 with a golden build"),
        ("Coverage", "2 of 4 targets could not be read whole"),
        ("Success over time", "69.2% of 13 builds succeeded in 30 days"),
        ("States", "43.8% of 16 listed builds are AVAILABLE"),
        ("Failures", "3 of 16 listed builds are FAILED, from 2 causes"),
        ("Stuck builds", "2 of 3 running builds seem stuck"),
        ("Image age", "5 of 6 images are older than 90 days, 1 has no golden build"),
        (
            "Regions",
            "The newest build of 1 of 4 images misses a region or account that the builds before it "
            "reached",
        ),
        (
            "Deprecations",
            "1 AVAILABLE build is past the deprecation time, 0 due within 30 days",
        ),
        ("Tags", "0 of 2 required tags are on every listed build"),
        ("Changes", "Builds since 2025-11-19: 2 new, 2 in another state, 1 gone"),
    ]
    assert report.gaps == (
        "Incomplete: 1 target never read, whose builds are missing, 1 target not read whole on "
        "2025-11-20, shown as last read."
    )


def test_tables_say_what_the_views_do(small_warehouse: Path) -> None:
    report = report_on(small_warehouse)
    noon = datetime(2025, 11, 20, 12, tzinfo=UTC)
    day = date(2025, 11, 20)
    assert rows_of(report, "coverage") == [
        (("333333333333", "us-east-1"), "failed", None, None, None, "denied"),
        (LONE, "failed", date(2025, 11, 16), noon - timedelta(days=4), 1, "denied"),
        (("222222222222", "me-south-1"), "skipped", None, None, None, None),
        (HOME, "complete", day, noon, 8, None),
        (OTHER, "complete", day, noon, 7, None),
    ]
    assert rows_of(report, "failures") == [
        (
            *("ApplyBuildComponents", "agent Install", "exit status <n> on i-<id> at <ip>"),
            *(2, 2, datetime(2025, 11, 19, 10, tzinfo=UTC)),
        ),
        (
            *(None, "", "Workflow Execution ID 'wf-<uuid>' failed"),
            *(1, 1, datetime(2025, 11, 10, 8, tzinfo=UTC)),
        ),
    ]
    assert rows_of(report, "stuck") == [
        (
            *(("BATCH", "1.0.0/1"), OTHER, "BUILDING"),
            *(datetime(2025, 11, 16, 6, tzinfo=UTC), 102.0, None),
        ),
        (
            *(("Web Server", "1.11.0/1"), HOME, "BUILDING"),
            *(datetime(2025, 11, 18, 0, 30, tzinfo=UTC), 59.5, 26.0),
        ),
    ]
    assert rows_of(report, "regions") == [
        ("Web Server", HOME, "·", "○", "●"),
        ("API", OTHER, "·", "●", "·"),
        ("DB", HOME, "·", "·", "●"),
        ("TOOL", LONE, "●", "·", "·"),
    ]
    assert rows_of(report, "tags") == [
        ("Owner", "required", 0, 16, 0.0),
        ("Team", "required", 2, 14, 0.125),
        ("Stage", None, 1, 15, 0.0625),
    ]
    before = date(2025, 11, 19)
    assert rows_of(report, "changes") == [
        (("Web Server", "1.10.0/2"), HOME, "TESTING", "FAILED", before, "a component failed"),
        (("DB", "1.0.0/1"), HOME, "DEPRECATED", "(gone)", before, None),
        (("API", "0.9.0/1"), OTHER, "DISABLED", "DELETED", before, None),
        (("API", "1.2.0/1"), OTHER, "(new)", "ARCHIVED", before, None),
        (("DB", "1.2.0/1"), HOME, "(new)", "BUILDING", before, None),
    ]


@pytest.mark.usefixtures("at_once")
def test_the_last_version_in_a_region_is_the_newest_by_numbers(folder: Folder) -> None:
    """Of the builds that two accounts have there last, 1.10.0 comes after 1.9.0 and build 10 after 9.

    A version that does not fit its columns comes before all that do.
    """
    day, beyond = date(2025, 11, 20), "99999999999999999999.0.0"
    last = {
        "web": ("1.9.0/1", "1.10.0/1", "2.0.0/1"),
        "db": ("1.0.0/9", "1.0.0/10", "1.0.1/1"),
        "app": (f"{beyond}/1", "1.0.0/1", "1.0.1/1"),
    }
    images = [f"{slug}/{version}" for slug, versions in last.items() for version in versions]
    builds = [
        build(HOME, day, image, "AVAILABLE", **({"version_major": None} if beyond in image else {}))
        for image in images
    ]
    amis = [
        {**ami(HOME, day, f"{slug}/{version}", 0, "eu-west-1", "AVAILABLE"), "ami_account_id": of}
        for slug, versions in last.items()
        for version, of in zip(versions, ("first", "second"), strict=False)
    ]
    commit_rows(
        folder,
        day,
        {
            "image_builds": builds,
            "image_amis": amis,
            "snapshot_targets": [covered(HOME, day, "complete", "whole", len(builds))],
            "snapshots": [{"committed_at": NOW, "status": "complete"}],
        },
    )
    with connect(published(folder)) as connection:
        found = read_answers(connection)["region_coverage"].rows
    assert {row["name"]: (row["missing"], row["last_version"]) for row in found} == {
        "WEB": (2, "1.10.0/1"),
        "DB": (2, "1.0.0/10"),
        "APP": (2, "1.0.0/1"),
    }


def test_charts_draw_the_rows_of_the_views(small_warehouse: Path) -> None:
    figures = {
        figure.name: figure
        for section in report_on(small_warehouse).sections
        for figure in section.figures
    }
    assert [*figures] == [
        *("targets-by-date", "success-rate", "outcomes", "states", "failed-steps", "image-age"),
        *("deprecation-calendar", "changes"),
    ]
    (drawn,) = figures["states"].spec["datasets"].values()
    assert [(row["label"], row["count"]) for row in drawn] == [
        ("AVAILABLE", 7),
        ("BUILDING", 3),
        ("FAILED", 3),
        ("ARCHIVED", 1),
        ("CANCELLED", 1),
        ("DELETED", 1),
    ]


@pytest.mark.slow
def test_long_tables_are_cut_and_say_how_to_see_the_rest(
    hostile_warehouse: Path, tmp_path: Path
) -> None:
    report = report_on(hostile_warehouse)
    cut = {
        table.title: (len(table.rows), table.total, table.more)
        for section in report.sections
        for table in section.tables
        if table.more
    }
    assert cut == {
        "Causes, the most frequent first": (12, 14, 2),
        "The newest failed builds": (10, BUILDS, 50),
        "Images without a golden build, then the oldest": (12, BUILDS, 48),
        "Image by AMI region, those that miss most first": (24, BUILDS, 36),
        "Overdue or due within 90 days, those without a successor first": (12, BUILDS, 48),
        "Tag keys, required ones first, then the rarest": (12, BUILDS + 1, 49),
        "Build by build: failed first, then gone": (16, BUILDS, 44),
    }
    told = Parsed(page_on(hostile_warehouse, tmp_path)).text
    assert "50 more of 60 are not shown. All: imagelake sql " in told
    assert '"from failed_builds order by created_at desc"' in told


@pytest.mark.slow
@pytest.mark.parametrize("lake", ["small_warehouse", "hostile_warehouse"])
def test_the_query_below_a_table_gives_all_its_rows(
    lake: str, request: pytest.FixtureRequest
) -> None:
    """As many as the table says that there are, in one line that a shell takes between quotes."""
    with connect(request.getfixturevalue(lake)) as connection:
        answers = read_answers(connection)
        asked = {name: answer for name, answer in answers.items() if answer.more}
        assert len(asked) == 10
        for name, answer in asked.items():
            assert not set('"$`\\!') & set(answer.more)
            assert len(connection.execute(answer.more).fetchall()) == answer.total, name


def test_every_query_is_documented_and_used() -> None:
    """Each opens with what it answers, and the sections read each by its name."""
    code = "".join(
        path.read_text("utf-8") for path in Path(str(files("flows.report"))).glob("*.py")
    )
    for name, query in queries().items():
        assert query.startswith("-- ")
        assert f'"{name}"' in code, name
