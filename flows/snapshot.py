"""The Prefect flow `snapshot`: the pipeline of `flows.pipeline` with its steps as Prefect tasks."""

# No `from __future__ import annotations`: it breaks `serve()` with a pydantic parameter.
from dataclasses import replace
from functools import partial
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import deployment
from prefect.states import Completed

from extract.targets import TargetOutcome
from flows import beyond, pipeline, planning, reading, writing
from flows.deploying import require_lasting, with_secrets
from flows.metrics import metrics_line
from flows.mistakes import EXIT_COMMITTED_IN_PART, EXIT_NOTHING_COMMITTED
from flows.parameters import SnapshotParameters
from flows.pipeline import Steps, Summary
from flows.planning import Plan
from flows.reporting import await_api
from flows.starting import spared
from flows.summary import exit_status, lines, sentence
from flows.telemetry import observed
from flows.telling import (
    Progress,
    committing,
    look_after,
    look_before,
    make_artifacts,
    send_events,
)
from flows.terminal import printable_errors
from flows.watch import Lines, key_values
from flows.writing import Written
from lake.effects import Effects
from lake.records import Commit


@task(name="plan", cache_policy=NO_CACHE)
@printable_errors()
def plan(parameters: SnapshotParameters) -> Plan:
    """Resolves the targets."""
    return planning.plan(parameters)


@task(name="write", cache_policy=NO_CACHE)
@printable_errors()
def write(
    parameters: SnapshotParameters, plan: Plan, outcomes: tuple[TargetOutcome, ...]
) -> Written:
    """Derives the tables and writes them, unseen."""
    return writing.write(parameters, plan, outcomes)


@task(name="commit", cache_policy=NO_CACHE)
@printable_errors()
def commit(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
    """Shows the run."""
    return pipeline.commit_visibly(parameters, plan, written)


@task(name="publish", cache_policy=NO_CACHE)
@printable_errors()
def publish(parameters: SnapshotParameters) -> bool:
    """Builds the warehouse where it is not up to date."""
    return pipeline.publish_warehouse(parameters)


TRACKED = Steps(plan, reading.land, write, commit, publish)


@flow(name="snapshot", persist_result=False)
def snapshot(parameters: SnapshotParameters) -> State[Any]:
    """Takes one snapshot of every target's Image Builder builds.

    Ends Completed, or Completed under the name PartialSuccess where some target was not read whole
    or the warehouse was not built; fails where nothing was committed. The state's data is the summary.
    """
    if deployment.id:  # nothing else runs in its process
        with spared():
            return _snapshot(parameters)
    return _snapshot(parameters)


def _snapshot(parameters: SnapshotParameters) -> State[Any]:
    logger = get_run_logger()
    if deployment.id:
        require_lasting(parameters)
        parameters = with_secrets(parameters)
    say, warn = partial(logger.info, "%s"), partial(logger.warning, "%s")
    before = look_before(parameters, warn)
    try:
        tracked = replace(TRACKED, commit=committing(parameters, commit, warn))
        steps = beyond.steps(parameters, tracked)
        if parameters.dask_scheduler is None:  # its workers' batches are tasks themselves
            land = printable_errors()(steps.land)
            steps = replace(steps, land=task(name="land", cache_policy=NO_CACHE)(land))
        with printable_errors(), Progress(Lines(say, key_values), warn) as watch:
            take = partial(pipeline.take_snapshot, parameters, steps, watch)
            summary = observed(take, warn)
    except Exception as error:
        await_api(f"nothing was committed: {error}", EXIT_NOTHING_COMMITTED, warn)
        raise
    for line in lines(summary, parameters.lake, str(parameters.warehouse)):
        say(line)
    await_api("committed", EXIT_COMMITTED_IN_PART, warn)
    effects = look_after(parameters, summary, before, warn)
    make_artifacts(parameters, summary, effects, warn)
    send_events(parameters, summary, effects, warn)
    say(metrics_line(summary))
    return _state(summary, effects)


def _state(summary: Summary, effects: Effects | None) -> State[Any]:
    name = "PartialSuccess" if exit_status(summary) else "Completed"
    return Completed(name=name, message=sentence(summary, effects), data=summary)
