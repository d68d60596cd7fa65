"""What the report says: of whole and partial snapshots, of little and of much, of hostile text."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from importlib.machinery import PathFinder
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows import cli_report
from flows.parameters import ParameterError
from flows.report.content import Mark, Report
from flows.report.reading import queries, read_answers
from flows.report.writing import report_of, write_report
from lake.folder import Folder
from lake.warehouse import connect, publish
from tests.command import run_command
from tests.hostile_lake import BUILDS, hostile_warehouse
from tests.rows import Row, build, covered
from tests.small_history import (
    HOME,
    LONE,
    OTHER,
    small_lake,
    small_warehouse,
    write_small_history,
)
from tests.test_writer import commit_rows

__all__ = ["hostile_warehouse", "small_lake", "small_warehouse"]  # fixtures are used by their names

NOW = datetime(2025, 11, 20, 13, tzinfo=UTC)


def report_on(warehouse: Path) -> Report:
    """The warehouse's report, as it is at NOW (ages and deprecations: as of the clock)."""
    with connect(warehouse) as connection:
        return report_of(read_answers(connection), NOW)


def page_on(warehouse: Path, folder: Path, *, is_interactive: bool = False) -> str:
    """The page as it is written."""
    with connect(warehouse) as connection:
        write_report(connection, folder / "report.html", NOW, is_interactive=is_interactive)
    return (folder / "report.html").read_text("utf-8")


def published(folder: Folder) -> Path:
    """A warehouse of the lake."""
    path = folder.root.with_name("imagelake.duckdb")
    publish(folder, path)
    return path


def rows_of(report: Report, section: str, number: int = 0) -> list[tuple[Any, ...]]:
    """The rows of a section's table as they are shown; a sign stands for its mark."""
    (found,) = (part for part in report.sections if part.name == section)
    table = found.tables[number]
    return [tuple(_told(row[column.key]) for column in table.columns) for row in table.rows]


def _told(value: Any) -> Any:
    return value.sign if isinstance(value, Mark) else value


class Parsed(HTMLParser):
    """A page's elements with their attributes, its text, and the content of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.comments: list[str] = []
        self._in = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the signature is the parser's
        self._in = ""

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self.text += data


def test_each_section_states_its_finding(small_warehouse: Path) -> None:
    report = report_on(small_warehouse)
    assert [(section.label, section.finding) for section in report.sections] == [
        ("Summary", "16 builds of 6 images, 5 with a golden build"),
        ("Coverage", "2 of 4 targets could not be read whole"),
        ("Success over time", "66.7% of 12 builds succeeded in 30 days"),
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
        ("Success rate", "66.7%", "12 builds ended in 30 days"),
        ("Failed builds listed", "3", "18.8% of all"),
        ("AMIs", "8", "and 4 container URIs"),
        ("Stuck builds", "2", "run longer than usual"),
        ("Overdue", "1", "past their deprecation time"),
        ("Without a golden build", "1", "images"),
        ("Changed state, came or went", "5", "since the captures before"),
    ]


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


def commit_targets(folder: Folder, day: date, targets: list[Row], builds: list[Row]) -> None:
    """A run of a date with these targets' rows."""
    snapshot = {"committed_at": datetime.combine(day, NOW.timetz()), "status": "complete"}
    commit_rows(
        folder,
        day,
        {"image_builds": builds, "snapshot_targets": targets, "snapshots": [snapshot]},
    )


DAY, LATER = date(2025, 11, 19), date(2025, 11, 20)
WEB = build(HOME, DAY, "web/1.0.0/1", "AVAILABLE")
READ = covered(HOME, DAY, "complete", "whole", 1)


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
            [covered(HOME, DAY, "skipped", "none")],
            [covered(HOME, LATER, "skipped", "none")],
            "No target was asked",
            "",
        ),
    ],
    ids=["whole", "not asked", "narrowed", "filtered", "truncated", "never read", "skipped"],
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
        "No listed build carries a tag, and none is required",
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


def imagelake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder; nothing ends in a traceback."""
    ended = run_command(arguments, folder)
    assert "Traceback" not in ended.stderr
    return ended


def test_the_command_writes_one_file_and_says_so(small_warehouse: Path, tmp_path: Path) -> None:
    ended = imagelake(tmp_path, "report", "--warehouse", str(small_warehouse))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(r"imagelake-report\.html: [0-9,]+ kB\n", ended.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["imagelake-report.html"]
    page = (tmp_path / "imagelake-report.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")


def test_the_command_reads_the_file_of_parameters(small_warehouse: Path, tmp_path: Path) -> None:
    config = tmp_path / "imagelake.toml"
    config.write_text(f'warehouse = "{small_warehouse}"\n')
    ended = imagelake(tmp_path, "report", "--config", str(config), "--out", "page.html")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "page.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--warehouse", "none.duckdb"], "--warehouse 'none.duckdb': there is none; "),
        (["--out", "."], "'.': there is something else than a file"),
        (["--out", "no/where.html"], "'no/where.html': cannot be written: No such file"),
    ],
)
def test_a_mistake_is_one_line(
    small_warehouse: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    warehouse = ["--warehouse", str(small_warehouse)] if "--warehouse" not in arguments else []
    ended = imagelake(tmp_path, "report", *warehouse, *arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"imagelake: {says}")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_a_page_that_cannot_be_finished_leaves_the_old_one(
    small_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = page_on(small_warehouse, tmp_path)
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(OSError, match="No space left"):
        page_on(small_warehouse, tmp_path, is_interactive=True)
    assert (tmp_path / "report.html").read_text("utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create table t (a integer)")
    ended = imagelake(tmp_path, "report", "--warehouse", str(path))
    assert ended.returncode == 2
    assert ended.stderr.startswith("imagelake: the warehouse lacks what the report reads (")
    assert ended.stderr.endswith("; build it again with `imagelake publish`\n")


def test_without_its_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking(PathFinder):
        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
            return None if fullname == "altair" else super().find_spec(fullname, path, target)

    monkeypatch.setattr(sys, "meta_path", [Lacking])
    monkeypatch.delitem(sys.modules, "altair", raising=False)
    with pytest.raises(ParameterError) as caught:
        cli_report.report()
    assert str(caught.value) == "report: altair not installed; pip install 'imagelake[report]'"


def test_help_does_not_wait_for_the_chart_libraries() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows.cli", "report", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "flows.cli_report" in imported
    assert not {name.partition(".")[0] for name in imported} & {*cli_report._NEEDED, "duckdb"}


def test_the_package_carries_the_page_s_files() -> None:
    """Also where it is installed from a wheel, which holds whatever is in the package's folder."""
    names = {entry.name for entry in files("flows.report").iterdir()}
    assert {"page.html", "page.js", "style.css", "queries"} <= names
    assert len(queries()) == 25
