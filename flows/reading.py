"""The step `land`: reads every target, or goes on where an interrupted run stopped; and a trial."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from extract.errors import NO_SUCH_ENDPOINT
from extract.landing import LandedPage, LandingWriter, landed_pages, take_over
from extract.pages import Listing
from extract.patience import Limits
from extract.request import Request
from extract.schedule import run_listings
from extract.sessions import Sessions
from extract.targets import Target, TargetOutcome, resolve_targets
from flows.parameters import SnapshotParameters
from flows.planning import Plan, landing_of, scope_of, sessions_of
from flows.watch import Silent, Watch
from lake.carry import TargetKey
from lake.commit import commits
from lake.run import Run
from lake.storage import open_lake
from schemas.snapshots import COMPLETE, SKIPPED, TRUNCATED


def land(
    parameters: SnapshotParameters, plan: Plan, watch: Watch | None = None
) -> tuple[TargetOutcome, ...]:
    """Reads every target to its end and keeps the raw pages in the lake.

    Where an earlier run of the date with the same request was cut off before it could commit, its
    pages are taken over, and each target goes on after the last of them.
    """
    watch, sessions = watch or Silent(), sessions_of(parameters)
    directory, request = landing_of(parameters, plan), plan.request.to_json()
    landed: dict[TargetKey, list[LandedPage]] = defaultdict(list)
    if parameters.resume:
        if take_over(_interrupted(parameters, plan), request, directory):
            watch.doing("going on with the pages of an interrupted run")
        for page in landed_pages(directory):
            landed[page.account_id, page.region].append(page)
    limits = _limits(parameters)
    with LandingWriter(directory, request) as landing:
        listings = []
        for target in plan.targets:
            listing = Listing(
                target, plan.request, partial(_client, sessions, target), landing.land, limits
            )
            listing.go_on(landed[target.account_id, target.region])
            listings.append(listing)
        outcomes = run_listings(listings, parameters.concurrency, watch.called)
        return tuple(without_endpoint_skipped(outcomes))


def try_targets(
    parameters: SnapshotParameters, watch: Watch | None = None
) -> tuple[TargetOutcome, ...]:
    """Asks each target for one build and keeps nothing: whether it could be read."""
    sessions = sessions_of(parameters)
    one = Request(owners=tuple(parameters.owner), page_size=1, max_items=1)
    listings = [
        Listing(
            target, one, partial(_client, sessions, target), lambda _: None, _limits(parameters)
        )
        for target in resolve_targets(sessions, scope_of(parameters))
    ]
    outcomes = without_endpoint_skipped(
        run_listings(listings, parameters.concurrency, (watch or Silent()).called)
    )
    return tuple(
        replace(outcome, status=COMPLETE, error_code=None, error_message=None)
        if outcome.status == TRUNCATED
        else outcome
        for outcome in outcomes
    )


def without_endpoint_skipped(outcomes: list[TargetOutcome]) -> list[TargetOutcome]:
    """A region whose endpoint has no name is skipped, provided that others were reached.

    Where none was, the network is to blame, and nothing is said of the regions.
    """
    if not any(outcome.pages for outcome in outcomes):
        return outcomes
    words = "the region has no Image Builder endpoint: leave it out (--exclude-region)"
    return [
        replace(outcome, status=SKIPPED, error_message=f"{outcome.error_message}; {words}")
        if outcome.error_code == NO_SUCH_ENDPOINT and not outcome.pages
        else outcome
        for outcome in outcomes
    ]


def _client(sessions: Sessions, target: Target) -> Any:
    return sessions.client("imagebuilder", target.region, target.role_arn)


def _limits(parameters: SnapshotParameters) -> Limits:
    if parameters.run_seconds is None:
        return Limits(parameters.target_seconds)
    return Limits(parameters.target_seconds, time.monotonic() + parameters.run_seconds)


def _interrupted(parameters: SnapshotParameters, plan: Plan) -> list[Path]:
    """The landings of the date whose runs never committed, the newest first."""
    lake = open_lake(parameters.lake)
    committed = {Run.raw_name(commit.run_id) for commit in commits(lake)}
    landings = landing_of(parameters, plan).parent.glob("*")
    return sorted((path for path in landings if path.name not in committed), reverse=True)
