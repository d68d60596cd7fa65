"""A report from a warehouse: read, put into sections, drawn and written as one file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb

from flows.answer_file import answer_file
from flows.report import changes, coverage, images, outcomes, summary
from flows.report.content import Report, Section
from flows.report.page import page
from flows.report.reading import Answers, read_answers
from lake.opening import lake_of

_TITLE = "Image Builder builds"


def write_report(
    warehouse: duckdb.DuckDBPyConnection, path: Path, now: datetime, *, is_interactive: bool
) -> int:
    """Writes the report to `path`, whole or not at all; returns its bytes. `now` is UTC.

    Raises ParameterError where the place can hold no file, or the warehouse lacks a view.
    """
    report = report_of(read_answers(warehouse), now)
    content = page(report, lake_of(warehouse), now, is_interactive=is_interactive)
    with answer_file(path) as out:
        out.write(content)
    return len(content.encode())


def report_of(answers: Answers, now: datetime) -> Report:
    """The report's content; of a lake without a snapshot that it has none."""
    if not answers["summary"].rows:
        lead = "Take the first one with the command imagelake run; then write the report again."
        nothing = Section("summary", "Summary", "The lake has no snapshot yet", lead)
        return Report(_TITLE, [], [nothing])
    return Report(
        _TITLE,
        summary.facts(answers),
        [
            summary.section(answers, now),
            coverage.section(answers),
            outcomes.success(answers),
            outcomes.states(answers),
            outcomes.failures(answers),
            outcomes.stuck(answers),
            images.age(answers),
            images.regions(answers),
            images.deprecations(answers),
            images.tags(answers),
            changes.section(answers),
        ],
        coverage.coverage_of(answers).gaps(),
    )
