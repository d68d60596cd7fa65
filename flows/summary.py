"""A run's words to a person: what was covered, what was not, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from shlex import quote
from typing import Final

from extract.targets import TargetOutcome
from flows.coverage import Shown
from flows.mistakes import EXIT_COMMITTED_IN_PART
from flows.pipeline import Summary
from flows.terminal import counted, printable
from lake.effects import Effects
from schemas.snapshots import COMPLETE, FAILED, SKIPPED, TRUNCATED

MOST_LISTED: Final = 20
"""At most so many targets are named one by one."""
MOST_NAMED: Final = 3
"""So many are named in a sentence."""


def sentence(summary: Summary, effects: Effects | None = None) -> str:
    """One sentence: `12 targets, 48,210 builds, 37 changed`, after what was not read whole.

    `2 of 40 targets not read whole: 111122223333/eu-west-1 failed (AccessDeniedException), …; …`.
    Where the warehouse was not built, it begins with that.
    """
    if problem := summary.warehouse_problem:
        return printable(f"the warehouse was not built: {problem}; {_covered(summary, effects)}")
    return _covered(summary, effects)


def _covered(summary: Summary, effects: Effects | None) -> str:
    asked = summary.asked
    builds = counted(summary.row_counts["image_builds"], "build")
    changes = f", {effects.changed:,} changed" if effects and effects.since else ""
    if not summary.unread:
        return f"{_targets(len(asked))}, {builds}{changes}"
    unread = sorted(summary.unread, key=worst_first(summary))
    named = [f"{t.outcome} {t.outcome.status} ({t.outcome.error_code})" for t in unread]
    which = printable(_some(named))
    return f"{len(unread):,} of {_targets(len(asked))} not read whole: {which}; {builds}{changes}"


def lines(summary: Summary, lake: str, warehouse: str) -> list[str]:
    """The summary at the end of a run, for a terminal or a log."""
    counts = summary.row_counts
    builds = sum(target.outcome.builds_listed for target in summary.asked)
    said = [
        f"snapshot {summary.snapshot_date} {summary.status}: "
        f"{counted(counts['image_builds'], 'build')}, {counted(counts['image_amis'], 'AMI')}, "
        f"{counted(counts['image_containers'], 'container URI')}, "
        f"{counted(counts['image_region_failures'], 'region failure')}",
        f"read {counted(builds, 'build')} of {_targets(len(summary.asked))} in "
        f"{summary.seconds:.1f} s "
        f"(run {summary.run_id})",
    ]
    kept = [target for target in summary.targets if not target.is_asked]
    if kept:
        said.append(f"kept from an earlier run of the date: {_targets(len(kept))}")
    if skipped := [str(t.outcome) for t in summary.asked if t.outcome.status == SKIPPED]:
        said.append(f"skipped, not there for the account: {_some(skipped)}")
    said += [f"warning: {warning}" for warning in summary.warnings]
    said += _unread_lines(summary)
    if summary.warehouse_problem:
        said.append(
            f"committed, but the warehouse was not built: {summary.warehouse_problem}; build it "
            "with `imagelake publish`"
        )
    said.append(f"lake {lake}; ask it with `imagelake sql --warehouse {quote(warehouse)}`")
    return [printable(line) for line in said]


def _unread_lines(summary: Summary) -> list[str]:
    """The worst first."""
    said = []
    for target in sorted(summary.unread, key=worst_first(summary))[:MOST_LISTED]:
        outcome, last = target.outcome, last_read(summary, target)
        said.append(f"  {outcome} {outcome.status}: {outcome.error_message}")
        if target.carries and not target.shows_own_rows:
            said.append(f"    shown instead: {target.builds:,} builds of run {target.carried_from}")
        said.append(f"    last read whole: {'never' if last == date.min else last}")
        if outcome.resume_token and target.shows_own_rows:  # else there is nothing to go on with
            role_arn = summary.role_arns.get((outcome.account_id, outcome.region))
            role = f"--role-arn {role_arn} " if role_arn else ""
            said.append(
                f"    go on with --date {summary.snapshot_date} {role}--region {outcome.region} "
                f"--starting-token {outcome.resume_token}"
            )
    if len(summary.unread) > MOST_LISTED:
        said.append(
            f"  and {len(summary.unread) - MOST_LISTED} more: `imagelake status` lists them"
        )
    return said


def worst_first(summary: Summary) -> Callable[[Shown], tuple[int, date]]:
    """The order: failed before cut short, and the longest unread before the others."""
    return lambda t: (_SEVERITY.get(t.outcome.status, 0), last_read(summary, t))


def last_read(summary: Summary, target: Shown) -> date:
    """The date of the capture that the current_* views show; `date.min` where there is none."""
    key = (target.outcome.account_id, target.outcome.region)
    return summary.last_whole.get(key, date.min)


def trial_lines(outcomes: Sequence[TargetOutcome]) -> list[str]:
    """What `imagelake check` found, a table: what cannot be read first, with what to do."""
    ordered = sorted(outcomes, key=lambda o: (_SEVERITY.get(o.status, 0), str(o)))
    width = max(len(str(outcome)) for outcome in ordered)
    said = [f"{'target':<{width}}  result"]
    for outcome in ordered:
        words = _TRIAL_WORDS.get(outcome.status, outcome.status)
        said.append(f"{outcome!s:<{width}}  {words}{_reason(outcome)}")
    readable = sum(outcome.status == COMPLETE for outcome in outcomes)
    said.append(f"{readable:,} of {_targets(len(outcomes))} can be read; nothing was written")
    return [printable(line) for line in said]


def _reason(outcome: TargetOutcome) -> str:
    return f": {outcome.error_message}" if outcome.error_message else ""


_SEVERITY: Final = {FAILED: 0, TRUNCATED: 1, SKIPPED: 2, COMPLETE: 3}
_TRIAL_WORDS: Final = {COMPLETE: "can be read", FAILED: "cannot be read", SKIPPED: "is skipped"}


def exit_status(summary: Summary) -> int:
    """0 where every target that was asked was read whole and the warehouse is built, else 3."""
    return EXIT_COMMITTED_IN_PART if summary.unread or summary.warehouse_problem else 0


def _some(names: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = [f"{len(names) - MOST_NAMED:,} more"] if len(names) > MOST_NAMED else []
    return ", ".join(names[:MOST_NAMED] + more)


def _targets(count: int) -> str:
    return counted(count, "target")
