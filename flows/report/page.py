"""The page: one HTML file that asks nothing of any network, whatever text came from outside.

Jinja escapes every value, and every control or bidirectional character in one is written out first.
A policy in the page forbids the browser to load anything, and to run anything but the page's own
scripts, by their digests.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from flows.report import drawing
from flows.report.content import Report, Section
from flows.report.moods import mood_of
from flows.report.wording import percent
from flows.terminal import printable
from schemas import __version__

_ESCAPED_IN_SCRIPTS: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}


def page(report: Report, lake: str, written_at: datetime, *, is_interactive: bool) -> str:
    """The report as HTML; `written_at` is UTC."""
    figures = [figure for section in report.sections for figure in section.figures]
    scripts = _scripts(has_figures=bool(figures)) if is_interactive else []
    drawings = {name: svg for section in report.sections for name, svg in _drawn(section).items()}
    style = _file("style.css")
    template = _environment().from_string(_file("page.html"))
    return template.render(
        report=report,
        drawings=drawings,
        specifications={figure.name: in_script(figure.spec) for figure in figures},
        scripts=scripts,
        is_interactive=is_interactive,
        policy=policy(style, scripts),
        style=style,
        lake=lake,
        written_at=written_at,
        version=__version__,
    )


def in_script(value: Any) -> str:
    """The value as JSON in ASCII that no text in it can end a script element with."""
    return json.dumps(value, allow_nan=False).translate(_ESCAPED_IN_SCRIPTS)


def policy(style: str, scripts: Iterable[str]) -> str:
    """What the browser may do with the page: show it, in its own style, and run its own scripts."""
    allowed = " ".join(_digest(script) for script in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_digest(style)}",
            "img-src data:",
            f"script-src {allowed or chr(39) + 'none' + chr(39)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _scripts(*, has_figures: bool) -> list[str]:
    own = _file("page.js")
    return [drawing.library(), own] if has_figures else [own]


def _drawn(section: Section) -> dict[str, dict[str, str]]:
    """Each figure twice: as wide as it stands on a desk, and for a phone."""
    return {
        figure.name: {
            "wide": drawing.svg(figure.spec, drawing.WIDE),
            "narrow": drawing.svg(figure.spec, drawing.NARROW),
        }
        for figure in section.figures
    }


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, keep_trailing_newline=True
    )
    environment.filters.update(
        counted=_counted,
        percent=percent,
        hours=_hours,
        day=_day,
        minute=_minute,
        iso=_iso,
        sortable=_sortable,
        mood=mood_of,
    )
    return environment


def _shown(value: Any) -> Any:
    """What is about to be written: text that is not markup of ours with its controls spelt out."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text else value


def _counted(number: int) -> str:
    return f"{number:,}"


def _hours(number: float) -> str:
    return f"{number:,.1f}"


def _day(value: date) -> str:
    return f"{value:%Y-%m-%d}"


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def _sortable(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _file(name: str) -> str:
    return files("flows.report").joinpath(name).read_text("utf-8")
