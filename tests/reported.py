"""A warehouse's report at one time, its tables' rows, and its page taken apart."""

from __future__ import annotations

from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from flows.report.content import Mark, Report
from flows.report.reading import read_answers
from flows.report.writing import report_of, write_report
from lake.folder import Folder
from lake.warehouse import connect, publish
from tests.rows import Row
from tests.test_writer import commit_rows

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


def commit_targets(folder: Folder, day: date, targets: list[Row], builds: list[Row]) -> None:
    """A run of a date with these targets' rows."""
    snapshot = {"committed_at": datetime.combine(day, NOW.timetz()), "status": "complete"}
    commit_rows(
        folder,
        day,
        {"image_builds": builds, "snapshot_targets": targets, "snapshots": [snapshot]},
    )


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
