"""The flow beyond one machine: Prefect's Dask task runner has workers read batches of targets.

A worker that is gone loses its batch, which another reads; a cluster without workers, without its
scheduler or with another imagelake ends the run before anything is committed.
"""

# No `from __future__ import annotations`: Prefect resolves a task's annotations itself.
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

import distributed
from distributed.comm.core import CommClosedError
from msgspec import convert
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect_dask.task_runners import DaskTaskRunner

from extract.targets import TargetOutcome
from flows.apart import steps_apart
from flows.batches import BatchRead, batches_of, move_pages
from flows.beyond import REACHED_SECONDS, unreachable
from flows.parameters import SnapshotParameters
from flows.pipeline import Steps
from flows.planning import Plan, lake_of
from flows.terminal import counted, printable_errors
from flows.watch import LINE_SECONDS, Telling, Told, Watch
from flows.worker import Batch, other_version, read_batch
from lake.commit import CommitError
from schemas import __version__

WORKERLESS_SECONDS: Final = 180.0
"""So long a run waits for a worker where there is none: a cluster that grows on demand is slow."""
POLL_SECONDS: Final = 2.0


@task(name="read", task_run_name="read batch {batch.number}", cache_policy=NO_CACHE)
def read(parameters: SnapshotParameters, batch: Batch) -> BatchRead:
    """Reads a batch on a worker, which has its credentials from its own environment."""
    with printable_errors():  # a decorator would hold a generator, and none can be sent
        return read_batch(parameters, batch, _to_flow(batch.plan.run.run_id))


def steps_on_dask(parameters: SnapshotParameters, steps: Steps) -> Steps:
    """The steps, with the targets read by the workers of the scheduler.

    Raises ParameterError where it cannot be reached, CommitError where no worker comes or one has
    another imagelake.
    """
    address = str(parameters.dask_scheduler)
    with _client(address) as client:
        await_workers(client)
        require_same_version(client)
    return steps_apart(steps, _read_and_move)


def _read_and_move(parameters: SnapshotParameters, plan: Plan, watch: Watch) -> list[BatchRead]:
    batches = read_on_workers(parameters, plan, watch)
    move_pages(lake_of(parameters), plan.run, batches)
    return batches


def read_on_workers(parameters: SnapshotParameters, plan: Plan, watch: Watch) -> list[BatchRead]:
    """What the workers read and wrote of the plan's targets, in the order of the batches.

    Raises what a worker raised, and CommitError where the cluster is gone.
    """
    limit = parameters.run_seconds
    with (
        naming_the_scheduler(parameters),
        DaskTaskRunner(address=parameters.dask_scheduler) as runner,
    ):
        client = runner.client
        await_workers(client)
        threads = client.nthreads()
        groups = batches_of(plan.targets, max(1, sum(threads.values())))
        batch = Batch(0, len(groups), plan, until=time.time() + limit if limit else None)
        size = counted(len(groups[0]), "target")
        watch.doing(f"in batches of up to {size}, on {counted(len(threads), 'worker')}")
        client.subscribe_topic(plan.run.run_id, _told(watch))
        pending: dict[Any, tuple[int, Any]] = {}
        for number, targets in enumerate(groups, 1):
            given = {"parameters": parameters, "batch": batch.with_targets(number, targets)}
            future = runner.submit(read, given)
            pending[future.wrapped_future] = number, future
        ended: dict[int, BatchRead] = {}
        while pending:
            for wrapped in _next_done(client, list(pending)):
                number, future = pending.pop(wrapped)
                ended[number] = _result(future, number, len(groups))
                del future, wrapped  # what a worker holds that is lost later would be read again
        return [ended[number] for number in sorted(ended)]


def await_workers(client: Any) -> None:
    """Returns once there is a worker. Raises CommitError where none comes in time."""
    until = time.monotonic() + WORKERLESS_SECONDS
    while not client.nthreads():
        if time.monotonic() > until:
            raise _no_worker(client)
        time.sleep(POLL_SECONDS)


def require_same_version(client: Any) -> None:
    """Raises CommitError where a worker has another imagelake, or none."""
    found = client.run(version, "imagelake", on_error="return")  # needs nothing of ours there
    for worker, answer in sorted(found.items()):
        if isinstance(answer, Exception):
            answer = "none"
        if answer != __version__:
            raise CommitError(other_version(f"the worker {worker}", answer, __version__))


@contextmanager
def naming_the_scheduler(parameters: SnapshotParameters) -> Iterator[None]:
    """Raises CommitError, with the scheduler's address, where the connection to it is lost."""
    try:
        yield
    except (CommClosedError, distributed.CancelledError) as error:
        raise CommitError(
            f"the Dask scheduler {parameters.dask_scheduler} is gone: start it, then run again"
        ) from error


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        client = distributed.Client(  # type: ignore[no-untyped-call]  # it has no types
            address, timeout=REACHED_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise unreachable(address, error) from None
    with client:
        yield client


def _next_done(client: Any, futures: list[Any]) -> list[Any]:
    """Those that have ended, once some have. Raises CommitError where no worker is left."""
    until: float | None = None
    while True:
        with client.as_current(), suppress(TimeoutError):
            ended = distributed.wait(  # type: ignore[no-untyped-call]  # it has no types
                futures, POLL_SECONDS, "FIRST_COMPLETED"
            )
            return list(ended.done)
        if client.nthreads():
            until = None
        elif until is None:
            until = time.monotonic() + WORKERLESS_SECONDS
        elif time.monotonic() > until:
            raise _no_worker(client)


def _no_worker(client: Any) -> CommitError:
    return CommitError(
        f"the Dask scheduler {client.scheduler.address} has had no worker for "
        f"{WORKERLESS_SECONDS:.0f} s: start workers, then run again"
    )


def _result(future: Any, number: int, count: int) -> BatchRead:
    try:
        result: BatchRead = future.result()
    except distributed.KilledWorker as error:
        raise CommitError(
            f"batch {number} of {count} has ended {counted(error.allowed_failures + 1, 'worker')}, "
            "one after the other: see their logs, and their memory"
        ) from error
    return result


def _to_flow(topic: str) -> Telling:
    """On a worker: tells the flow what its listings do, by way of the scheduler."""
    worker = distributed.get_worker()

    def tell(outcome: TargetOutcome) -> None:
        told = {
            member: value.isoformat() if isinstance(value, datetime) else value
            for member, value in asdict(outcome).items()
        }
        worker.log_event(topic, {"outcome": told})  # Dask adds who tells it

    return Telling(tell, LINE_SECONDS)


def _told(watch: Watch) -> Callable[[tuple[float, dict[str, Any]]], None]:
    """Hands on what workers tell."""
    told = Told(watch)
    return lambda event: told.hand_on(convert(event[1]["outcome"], TargetOutcome))
