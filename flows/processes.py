"""A run's targets read by processes of this machine, since threads alone use one core.

Parsing and signing hold Python's lock, so that threads of one process take as long on two cores as on
one. A process that is gone loses its batch, which another goes on with at the last page that landed; a
run that ends takes its processes with it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, Final, Self

from extract.landing import landed_pages
from extract.targets import TargetOutcome
from flows.apart import steps_apart
from flows.batches import BatchRead, batches_of
from flows.machine import cores, memory_bytes
from flows.parameters import SnapshotParameters
from flows.pipeline import Steps
from flows.planning import Plan, lake_of, landing_of, sessions_of
from flows.process import Raised
from flows.reading import pages_by_target
from flows.watch import Told, Watch
from flows.worker import Batch
from lake.commit import CommitError
from lake.records import manifest_of, newest_content

ENOUGH_TARGETS: Final = 8
ENOUGH_BUILDS: Final = 50_000
"""From so many of both on, by the newest snapshot, more processes are faster, each starting in 1 s."""
TARGETS_A_PROCESS: Final = 4
PROCESS_BYTES: Final = 400 << 20
"""What the run's own process or one more may come to take, of memory that there must be for all."""
MOST_ENDED: Final = 3
"""So many processes may end over the same batch."""
_BEGIN: Final = """
import sys
sys.path[:] = sys.argv[2:]
from flows.starting import lean_imports
with lean_imports():
    from flows.process import main
main(int(sys.argv[1]))
"""
"""A process imports from where the run does. PYTHONPATH would do it too, and would lead astray a
credential_process that is another Python's."""


def steps_in_processes(steps: Steps) -> Steps:
    """The steps, with the targets read by as many processes as are asked for, or are worth it."""
    apart = steps_apart(steps, read_in_processes)

    def land(parameters: SnapshotParameters, plan: Plan, watch: Watch) -> tuple[TargetOutcome, ...]:
        count = process_count(parameters, plan)
        if count == 1:
            if parameters.processes not in {None, 1}:
                watch.doing("in 1 process")
            return steps.land(parameters, plan, watch)
        return apart.land(parameters.model_copy(update={"processes": count}), plan, watch)

    return replace(apart, land=land)


def process_count(parameters: SnapshotParameters, plan: Plan) -> int:
    """How many processes are to read: those asked for, else by what the newest snapshot had.

    Never more than there are targets, or calls that may be under way.
    """
    targets = len(plan.targets)
    most = max(1, min(targets, parameters.concurrency))
    if parameters.processes == 1 or most == 1 or _must_be_one(parameters):
        return 1
    if parameters.processes is not None:
        return min(parameters.processes, most)
    if targets < ENOUGH_TARGETS or _builds_of_newest(parameters) < ENOUGH_BUILDS:
        return 1
    memory = memory_bytes()
    held = most if memory is None else max(1, memory // PROCESS_BYTES - 1)
    return min(cores(), targets // TARGETS_A_PROCESS, most, held)


def _must_be_one(parameters: SnapshotParameters) -> bool:
    """Whether another process could not sign in as the run's own did.

    It would ask for another MFA code; and it has the environment of --demo's emulator alone.
    """
    is_demo_beyond = parameters.demo and parameters.lake.startswith("s3://")
    return is_demo_beyond or sessions_of(parameters).asks_for_codes


def _builds_of_newest(parameters: SnapshotParameters) -> int:
    newest = newest_content(lake_of(parameters))
    builds = manifest_of(newest).get("image_builds", ()) if newest else ()
    return sum(file.row_count for file in builds)


def read_in_processes(parameters: SnapshotParameters, plan: Plan, watch: Watch) -> list[BatchRead]:
    """What the processes read and wrote of the plan's targets, in the order of the batches.

    Raises what one of them raised, and CommitError where they end, one after the other, over a batch.
    """
    count = parameters.processes or 1
    calls = max(1, parameters.concurrency // count)
    batches = _batches(parameters, plan, batches_of(plan.targets, count, calls))
    count = min(count, len(batches))
    watch.doing(f"in {count} process{'es' if count > 1 else ''}")
    own = parameters.model_copy(update={"concurrency": calls})
    with _Processes(own, count, watch) as processes:
        read = processes.read(batches)
    lake_of(parameters).keep(plan.run.raw_folder)
    return read


def _batches(
    parameters: SnapshotParameters, plan: Plan, groups: Sequence[tuple[Any, ...]]
) -> list[Batch]:
    landed = pages_by_target(landed_pages(landing_of(parameters, plan)))
    limit = parameters.run_seconds
    until = time.time() + limit if limit else None
    return [
        Batch(
            number,
            len(groups),
            replace(plan, targets=targets),
            until=until,
            landed=tuple(p for t in targets for p in landed[t.account_id, t.region]),
        )
        for number, targets in enumerate(groups, 1)
    ]


class _Processes:
    """Processes with a batch each, until all are read; leaving the block ends them at once."""

    def __init__(self, parameters: SnapshotParameters, count: int, watch: Watch) -> None:
        self._parameters = parameters
        self._count = count
        self._watch = watch
        self._told = Told(watch)
        self._waiting: deque[Batch] = deque()
        self._at_work: dict[Any, tuple[_Process, Batch]] = {}
        self._read: dict[int, BatchRead] = {}
        self._ended: Counter[int] = Counter()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def read(self, batches: Sequence[Batch]) -> list[BatchRead]:
        """What was read of the batches, in their order."""
        self._waiting.extend(batches)
        for _ in range(self._count):
            self._give_a_batch(self._begin())
        while self._at_work:
            for connection in wait(list(self._at_work)):
                self._hear(*self._at_work[connection])
        return [self._read[batch.number] for batch in batches]

    def _hear(self, process: _Process, batch: Batch) -> None:
        try:
            answer = process.connection.recv()
        except (EOFError, OSError):
            self._is_gone(process, batch)
            return
        if isinstance(answer, TargetOutcome):
            self._told.hand_on(answer)
        elif isinstance(answer, Raised):
            raise answer.error from answer.where
        else:
            self._read[batch.number] = answer
            del self._at_work[process.connection]
            self._give_a_batch(process)

    def _is_gone(self, process: _Process, batch: Batch) -> None:
        """Has another process go on with the batch."""
        status = process.status()
        self._ended[batch.number] += 1
        if self._ended[batch.number] >= MOST_ENDED:
            raise _given_up(batch, status)
        self._watch.doing(f"a process has ended {_how(status)}: another goes on with its batch")
        del self._at_work[process.connection]
        self._waiting.appendleft(batch)
        self._give_a_batch(self._begin())

    def _begin(self) -> _Process:
        process = _Process(self._parameters)
        self._running.callback(process.end)
        return process

    def _give_a_batch(self, process: _Process) -> None:
        if self._waiting:
            batch = self._waiting.popleft()
            self._at_work[process.connection] = process, batch
            process.give(batch)


class _Process:
    """A process of this imagelake, and the connection to it."""

    def __init__(self, parameters: SnapshotParameters) -> None:
        self.connection, theirs = Pipe()
        with theirs, _without_interrupts():
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
                [sys.executable, "-c", _BEGIN, str(theirs.fileno()), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._send(parameters)

    def give(self, batch: Batch) -> None:
        """Hands it a batch to read."""
        self._send(batch)

    def status(self) -> int:
        """How it ended: its exit status, below 0 the signal."""
        return self._process.wait()

    def end(self) -> None:
        """Ends it wherever it is: what landed by then stays."""
        self._process.kill()
        self._process.wait()
        self.connection.close()

    def _send(self, what: object) -> None:
        with suppress(ConnectionError):  # it is gone, as its end of the connection tells
            self.connection.send(what)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What begins in the block gets no Ctrl-C, from its very start: the run has it, and ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _given_up(batch: Batch, status: int) -> CommitError:
    cure = "see this machine's memory" if status < 0 else "see what it wrote"
    return CommitError(
        f"batch {batch.number} of {batch.count} has ended {MOST_ENDED} processes, the last "
        f"{_how(status)}: {cure}, or give --processes 1"
    )


def _how(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"
