"""A run as Prefect's artifacts tell it: what was covered, what it changed, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from flows.coverage import Shown
from flows.markdown import escaped, table
from flows.pipeline import Summary
from flows.summary import last_read, worst_first
from flows.terminal import counted, printable
from lake.effects import Effects, Found

MOST_LISTED: Final = 20
"""So many of a kind are listed, the others counted."""
MOST_TARGETS: Final = 1_000
"""So many targets are in the table, the worst first: more take a browser long to show."""
REPORT: Final = "imagelake-report.html"
"""Where it is beside the warehouse, there is a link to it."""


class Link(NamedTuple):
    """Where something is: its URL, what it is, and where that URL opens."""

    url: str
    text: str
    description: str


def digest(summary: Summary, effects: Effects | None, lake: str, warehouse: str) -> str:
    """The Markdown of the run's own artifact."""
    sections = [
        _coverage(summary),
        _unread(summary),
        _warnings(summary),
        *([] if effects is None else _effects(effects, summary.snapshot_date)),
        _place(summary, lake, warehouse),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def target_rows(summary: Summary) -> list[dict[str, Any]]:
    """The rows of the targets' table, the worst first."""
    shown = sorted(summary.targets, key=lambda t: (not t.is_asked, worst_first(summary)(t)))
    rows = [_target_row(target) for target in shown[:MOST_TARGETS]]
    if len(shown) > MOST_TARGETS:
        rows.append({"target": f"and {len(shown) - MOST_TARGETS:,} more: imagelake status"})
    return rows


def lake_link(lake: str, host: str, region: str, environment: Mapping[str, str]) -> Link:
    """Where the lake is: the console's page of a bucket, else the folder's or the bucket's own URI.

    `region` is one of AWS's, which tells the partition; `host` is the machine that has the folder.
    """
    text = escaped(f"lake {lake}")
    if not lake.startswith("s3://"):
        where = f"the lake's folder on {escaped(host)}: a browser opens it there only"
        return Link(Path(lake).as_uri(), text, where)
    if any(environment.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")):
        return Link(quote(lake, safe=":/"), text, "the lake, for `aws s3 ls` and the like")
    bucket, _, prefix = lake.removeprefix("s3://").partition("/")
    console = next(
        (host for start, host in _CONSOLES.items() if region.startswith(start)), _CONSOLE
    )
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    url = f"https://{console}/s3/buckets/{quote(bucket)}?prefix={quote(folder)}"
    return Link(url, text, "the lake in the S3 console")


def report_link(warehouse: Path, host: str) -> Link | None:
    """Where the report beside the warehouse is; None where there is none."""
    path = warehouse.absolute().with_name(REPORT)
    if not path.is_file():
        return None
    made = datetime.fromtimestamp(path.stat().st_mtime).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    where = f"written {made}, on {escaped(host)}: a browser opens it there only"
    return Link(path.as_uri(), "report", where)


def _coverage(summary: Summary) -> Iterator[str]:
    counts = summary.row_counts
    asked = summary.asked
    read = len(asked) - len(summary.unread)
    yield f"## Snapshot {summary.snapshot_date}: {summary.status}"
    yield ""
    yield (
        f"{read:,} of {counted(len(asked), 'target')} read whole in {summary.seconds:.1f} s; "
        f"{counted(counts['image_builds'], 'build')}, {counted(counts['image_amis'], 'AMI')}, "
        f"{counted(counts['image_containers'], 'container URI')}, "
        f"{counted(counts['image_region_failures'], 'region failure')}."
    )
    if kept := len(summary.targets) - len(asked):
        yield f"Kept from an earlier run of the date: {counted(kept, 'target')}."


def _unread(summary: Summary) -> Iterator[str]:
    if not summary.unread:
        return
    yield "### Not read whole"
    yield ""
    unread = sorted(summary.unread, key=worst_first(summary))
    yield from table(
        ("target", "status", "error", "last read whole", "what happened and what to do"),
        [_unread_row(summary, target) for target in unread[:MOST_LISTED]],
    )
    yield from _rest(len(unread), MOST_LISTED, "`imagelake status` lists them")


def _unread_row(summary: Summary, target: Shown) -> tuple[object, ...]:
    outcome, last = target.outcome, last_read(summary, target)
    when = "never" if last == date.min else last
    return (outcome, outcome.status, outcome.error_code, when, outcome.error_message)


def _warnings(summary: Summary) -> Iterator[str]:
    problem = summary.warehouse_problem
    said = [
        *summary.warnings,
        *([f"the warehouse was not built: {problem}; `imagelake publish` does"] if problem else []),
    ]
    if said:
        yield "### Warnings"
        yield ""
        yield from (f"- {escaped(warning, 1_000)}" for warning in said[:MOST_LISTED])
        yield from _rest(len(said), MOST_LISTED, "`imagelake status` lists them")


def _effects(effects: Effects, snapshot_date: str) -> Iterator[Iterator[str]]:
    yield _changes(effects)
    yield _section(
        "Builds that failed",
        effects.failures,
        ("target", "build", "was", "step", "reason"),
        [
            (f"{f.account_id}/{f.region}", _image(f.arn), f.was or "(new)", f.step, f.reason)
            for f in effects.failures.rows
        ],
        f"from build_state_changes where snapshot_date = '{snapshot_date}' and to_status = 'FAILED'",
    )
    yield _section(
        "Golden AMIs that changed",
        effects.golden,
        ("target", "image", "AMI region", "AMI account", "was", "is now"),
        [
            (
                f"{g.account_id}/{g.region}",
                g.name or g.image_slug,
                g.ami_region,
                g.ami_account_id,
                _ami(g.old_version, g.old_ami_id),
                _ami(g.new_version, g.new_ami_id),
            )
            for g in effects.golden.rows
        ],
        "from golden_amis",
    )
    yield _section(
        "Builds that disappeared",
        effects.gone,
        ("target", "build", "was"),
        [(f"{g.account_id}/{g.region}", _image(g.arn), g.was) for g in effects.gone.rows],
        f"from disappeared_builds where disappeared_date = '{snapshot_date}'",
    )
    yield _section(
        "Stale targets",
        effects.stale,
        ("target", "last read whole", "failed attempts since", "error"),
        [
            (
                f"{s.account_id}/{s.region}",
                f"{s.captured_at:%Y-%m-%d %H:%M} UTC" if s.captured_at else "never",
                s.failed_attempt_count,
                s.last_error_message,
            )
            for s in effects.stale.rows
        ],
        "from target_freshness where is_stale",
    )


def _changes(effects: Effects) -> Iterator[str]:
    if effects.since is None:
        yield "No target was read whole both now and before: there is nothing to compare."
        return
    oldest, newest = effects.since
    since = f"{oldest}" if oldest == newest else f"{oldest} to {newest}"
    yield f"### Changed since {since}"
    yield ""
    if not effects.changed:
        yield "Nothing."
        return
    yield f"{counted(effects.changed, 'build')}, of whose states:"
    yield ""
    yield from table(
        ("builds", "was", "is now"),
        [
            (f"{count.builds:,}", count.was or "(new)", count.is_now or "(gone)")
            for count in effects.states[:MOST_LISTED]
        ],
    )


def _section(
    title: str,
    found: Found[Any],
    heads: Sequence[str],
    rows: Sequence[tuple[object, ...]],
    query: str,
) -> Iterator[str]:
    if not found.total:
        return
    yield f"### {title}: {found.total:,}"
    yield ""
    yield from table(heads, rows[:MOST_LISTED])
    yield from _rest(found.total, len(rows[:MOST_LISTED]), f'`imagelake sql "{query}"` lists them')


def _rest(total: int, listed: int, where: str) -> Iterator[str]:
    if total > listed:
        yield ""
        yield f"And {total - listed:,} more: {where}."


def _place(summary: Summary, lake: str, warehouse: str) -> Iterator[str]:
    yield f"Run {escaped(summary.run_id)}, in the lake {escaped(lake)};"
    yield f"ask the warehouse {escaped(warehouse)} with `imagelake sql`."


def _target_row(target: Shown) -> dict[str, Any]:
    outcome = target.outcome
    times = (outcome.started_at, outcome.finished_at)
    seconds = (times[1] - times[0]).total_seconds() if times[0] and times[1] else None
    return {
        "target": str(outcome),
        "status": outcome.status if target.is_asked else "kept",
        "shows": target.coverage,
        "builds": target.builds,
        "pages": outcome.pages,
        "requests": outcome.requests,
        "throttles": outcome.throttles,
        "seconds": None if seconds is None else round(seconds, 3),
        "carried_from": target.carried_from,
        "error_code": outcome.error_code,
        "error_message": None if not outcome.error_message else printable(outcome.error_message),
    }


def _image(arn: str) -> str:
    """The build's part of its ARN, `name/1.0.0/1`; the whole where it is none such."""
    return arn.partition(":image/")[2] or arn


def _ami(version: str | None, ami_id: str | None) -> str:
    return " ".join(part for part in (version, ami_id) if part) or "none"


_CONSOLE: Final = "console.aws.amazon.com"
_CONSOLES: Final = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
