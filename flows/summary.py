"""A run's words to a person: what was covered, what was not, and what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from flows.pipeline import Summary
from flows.terminal import printable

MOST_LISTED: Final = 20
"""At most so many targets are named one by one."""


def sentence(summary: Summary) -> str:
    """One sentence: `12 targets, 48,210 builds` or `2 of 40 targets were not read whole: …`."""
    asked = summary.asked
    if not summary.unread:
        return f"{_targets(len(asked))}, {summary.row_counts['image_builds']:,} builds"
    ends = Counter(f"{t.outcome.status} ({t.outcome.error_code})" for t in summary.unread)
    causes = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    return f"{len(summary.unread)} of {_targets(len(asked))} not read whole: {causes}"


def lines(summary: Summary, lake: str, warehouse: str) -> list[str]:
    """The summary at the end of a run, for a terminal or a log."""
    counts = summary.row_counts
    builds = sum(target.builds for target in summary.asked)
    said = [
        f"snapshot {summary.snapshot_date} {summary.status}: "
        f"{counts['image_builds']:,} builds, {counts['image_amis']:,} AMIs, "
        f"{counts['image_containers']:,} container URIs, "
        f"{counts['image_region_failures']:,} region failures",
        f"read {builds:,} builds of {_targets(len(summary.asked))} in {summary.seconds:.1f} s "
        f"(run {summary.run_id})",
    ]
    kept = [target for target in summary.targets if not target.is_asked]
    if kept:
        said.append(f"kept from an earlier run of the date: {_targets(len(kept))}")
    said += _unread_lines(summary)
    said.append(f"lake {lake}, warehouse {warehouse}: ask it with `imagelake sql`")
    return [printable(line) for line in said]


def _unread_lines(summary: Summary) -> list[str]:
    said = []
    for target in summary.unread[:MOST_LISTED]:
        outcome = target.outcome
        said.append(f"  {outcome} {outcome.status}: {outcome.error_message}")
        if target.carries and not target.shows_own_rows:
            said.append(f"    shown instead: {target.builds:,} builds of run {target.carried_from}")
        if outcome.resume_token:
            said.append(f"    go on with --starting-token {outcome.resume_token}")
    if len(summary.unread) > MOST_LISTED:
        said.append(
            f"  and {len(summary.unread) - MOST_LISTED} more: `imagelake status` lists them"
        )
    return said


def exit_status(summary: Summary) -> int:
    """0 where every target that was asked was read whole, else 3."""
    return 3 if summary.unread else 0


def _targets(count: int) -> str:
    return f"{count:,} target{'' if count == 1 else 's'}"
