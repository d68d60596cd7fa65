"""What is good, bad, in progress or quiet: one colour for each, in charts and words alike."""

from __future__ import annotations

from typing import Final

OK: Final = "ok"
BAD: Final = "bad"
WARN: Final = "warn"
PROGRESS: Final = "progress"
QUIET: Final = "quiet"
PLAIN: Final = "plain"

_MOODS: Final = {
    "AVAILABLE": OK,
    "FAILED": BAD,
    "DEPRECATED": WARN,
    "PENDING": PROGRESS,
    "CREATING": PROGRESS,
    "BUILDING": PROGRESS,
    "TESTING": PROGRESS,
    "DISTRIBUTING": PROGRESS,
    "INTEGRATING": PROGRESS,
    "complete": OK,
    "filtered": PROGRESS,  # in one chart with truncated, so not of its colour
    "truncated": WARN,
    "failed": BAD,
    "not asked": WARN,
    "no successor": BAD,
    "has a newer build": OK,
    "succeeded": OK,
    "under way": PROGRESS,
    "disappeared": WARN,
    "reappeared": WARN,
}


def mood_of(word: object) -> str:
    """The mood of a state; one that nobody knows yet is quiet."""
    return _MOODS.get(str(word), QUIET)


def colour_of(word: object) -> str:
    """The page's colour of a state in a chart, as a CSS variable."""
    return f"var(--{mood_of(word)})"
