"""The step `land`: reads every target, or goes on where an interrupted run stopped; and a trial."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from extract.errors import NO_SUCH_ENDPOINT
from extract.landing import LandedPage, LandingWriter, held, landed_pages
from extract.pages import Listing
from extract.patience import Limits
from extract.schedule import run_listings
from extract.sessions import Sessions
from extract.targets import Target, TargetOutcome, resolve_targets
from flows.parameters import SnapshotParameters
from flows.planning import Plan, lake_of, landing_of, scope_of, sessions_of
from flows.watch import Silent, Watch
from lake.captures import last_whole_captures
from lake.carry import TargetKey
from lake.records import commits
from lake.run import Run
from schemas.snapshots import COMPLETE, FAILED, SKIPPED

RESUMED_SECONDS: Final = 3600.0
"""Pages older than this are read again rather than shown as if they were today's last word."""


def held_landing(parameters: SnapshotParameters, plan: Plan) -> AbstractContextManager[bool]:
    """Keeps the run's landing to this process until its commit; yields whether it was taken over.

    Where an earlier run of the date with the same request was cut off before it could commit, within
    the last hour, its pages become this run's.
    """
    goes_on = parameters.resume and parameters.dask_scheduler is None  # workers keep no pages
    interrupted = _interrupted(parameters, plan) if goes_on else []
    asked = json.dumps([plan.request.to_json(), parameters.demo])
    return held(landing_of(parameters, plan), asked, interrupted)


def land(
    parameters: SnapshotParameters, plan: Plan, watch: Watch | None = None
) -> tuple[TargetOutcome, ...]:
    """Reads every target to its end and keeps the raw pages in the lake.

    Each target goes on after the last of its pages that are there already.
    """
    landed = landed_pages(landing_of(parameters, plan))
    outcomes = read_targets(parameters, plan, watch or Silent(), landed)
    lake_of(parameters).keep(plan.run.raw_folder)
    return told_apart(parameters, plan, outcomes)


def read_targets(
    parameters: SnapshotParameters,
    plan: Plan,
    watch: Watch,
    pages: Iterable[LandedPage] = (),
    label: str = "",
) -> list[TargetOutcome]:
    """Reads the targets, after those of their pages that are there, where others are read elsewhere.

    Only with all of them can it be told which regions are not there.
    """
    sessions = sessions_of(parameters)
    landed = pages_by_target(pages)
    limits = _limits(parameters)
    with LandingWriter(landing_of(parameters, plan), label) as landing:
        listings = []
        for target in plan.targets:
            listing = Listing(
                target, plan.request, partial(_client, sessions, target), landing.land, limits
            )
            listing.go_on(landed[target.account_id, target.region])
            listings.append(listing)
        return run_listings(listings, parameters.concurrency, watch.called)


def pages_by_target(pages: Iterable[LandedPage]) -> dict[TargetKey, list[LandedPage]]:
    """The pages of each target, in their order."""
    landed: dict[TargetKey, list[LandedPage]] = defaultdict(list)
    for page in pages:
        landed[page.account_id, page.region].append(page)
    return landed


def try_targets(
    parameters: SnapshotParameters, watch: Watch | None = None
) -> tuple[TargetOutcome, ...]:
    """Makes one small call to each target and keeps nothing: whether it could be read."""
    sessions = sessions_of(parameters)
    one = replace(parameters.request(), page_size=1, max_items=None, starting_token=None)
    trials = [
        _Trial(target, one, partial(_client, sessions, target), lambda _: None, _limits(parameters))
        for target in resolve_targets(sessions, scope_of(parameters))
    ]
    outcomes = run_listings(trials, parameters.concurrency, (watch or Silent()).called)
    return tuple(
        replace(outcome, status=COMPLETE) if outcome.pages else outcome
        for outcome in with_regions_told_apart(outcomes)
    )


class _Trial(Listing):
    """A listing that ends with its first page."""

    def step(self) -> float | None:
        wait = super().step()
        return None if self.outcome.pages else wait


def told_apart(
    parameters: SnapshotParameters, plan: Plan, outcomes: list[TargetOutcome]
) -> tuple[TargetOutcome, ...]:
    """The outcomes, in which a region that was read before is never one that is not there.

    A key that is refused says the same where a role's session was revoked; it would show nowhere.
    """
    told = with_regions_told_apart(outcomes)
    skipped = [(o.account_id, o.region) for o in told if o.status == SKIPPED]
    captures = last_whole_captures(lake_of(parameters), plan.run.snapshot_date, skipped)
    read = {(row["account_id"], row["region"]): row["snapshot_date"] for row in captures}
    return tuple(
        _failed(outcome, f"; it was read on {read[outcome.account_id, outcome.region]}")
        if (outcome.account_id, outcome.region) in read
        else outcome
        for outcome in told
    )


def _failed(outcome: TargetOutcome, words: str) -> TargetOutcome:
    return replace(outcome, status=FAILED, error_message=f"{outcome.error_message}{words}")


def with_regions_told_apart(outcomes: list[TargetOutcome]) -> list[TargetOutcome]:
    """Says of a region that it is not there only where that is certain, else that it failed.

    A name that does not resolve, or a refused key, means so only where others were reached: any
    target of the network, or one of the same account. Else the network or the key is to blame.
    """
    reached = {outcome.account_id for outcome in outcomes if outcome.pages}
    return [_told_apart(outcome, reached) for outcome in outcomes]


def _told_apart(outcome: TargetOutcome, reached: set[str]) -> TargetOutcome:
    if outcome.status == SKIPPED and outcome.account_id not in reached:
        return _failed(outcome, "; or the credentials are not valid (any more)")
    if outcome.error_code == NO_SUCH_ENDPOINT and not outcome.pages and reached:
        words = "the region has no Image Builder endpoint: leave it out (--exclude-region)"
        return replace(outcome, status=SKIPPED, error_message=f"{outcome.error_message}; {words}")
    return outcome


def _client(sessions: Sessions, target: Target) -> Any:
    return sessions.client("imagebuilder", target.region, target.role_arn)


def _limits(parameters: SnapshotParameters) -> Limits:
    if parameters.run_seconds is None:
        return Limits(parameters.target_seconds)
    return Limits(parameters.target_seconds, time.monotonic() + parameters.run_seconds)


def _interrupted(parameters: SnapshotParameters, plan: Plan) -> list[Path]:
    """The landings of the date whose runs never committed, the newest first.

    Not those that are older than a run which did, or whose last page is older than an hour: what
    the date shows would go back in time.
    """
    lake = lake_of(parameters)
    committed = (
        Run.raw_name(commit.run_id)
        for commit in commits(lake)
        if commit.snapshot_date == plan.run.snapshot_date
    )
    newest = max(committed, default="")
    landings = landing_of(parameters, plan).parent.glob("*")
    recent = time.time() - RESUMED_SECONDS
    return sorted(
        (path for path in landings if path.name > newest and _last_written(path) > recent),
        reverse=True,
    )


def _last_written(landing: Path) -> float:
    return max((path.stat().st_mtime for path in landing.glob("pages-*.arrows")), default=0.0)
