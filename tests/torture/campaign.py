"""A campaign: writers start and are killed side by side, and after each the lake is checked."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from random import Random
from typing import Any

from lake.records import commits, shown_commits
from lake.storage import Lake
from tests.torture.checks import problems_of_records
from tests.torture.steps import Fatal
from tests.torture.writers import MODULES, Job, Place, work

FIRST_DAY = date(2025, 11, 1)
LONGEST_SECONDS = 90.0
"""A writer that takes longer hangs."""
EXPECTED = ("was committed meanwhile", "ago: take a new snapshot", "was lost to a pause")
"""What refuses a writer where others write as well, or the machine is busy."""
GONE = "FileNotFoundError"
"""What a writer meets where clean-up takes a run that was superseded seconds before."""
LATEST_RANDOM_KILL_SECONDS = 1.4
MOST_TRIES = 5
"""So often a writer is sent to its death at a step before that step is given up."""


@dataclass(frozen=True)
class Outcome:
    """How a writer ended: killed, done or refused; the step that it died at, or its words.

    `steps` counts those that it took by name, where it came to its end.
    """

    job: Job
    how: str
    words: str = ""
    steps: dict[str, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Task:
    """A job, and after how many seconds the parent kills its writer; None leaves it alone."""

    job: Job
    killed_after: float | None = None


Lane = Generator[Task, Outcome, None]
"""Tasks one after the other, each in the knowledge of how the one before ended."""


@dataclass
class _Running:
    lane: Lane
    task: Task
    process: BaseProcess
    report: Connection
    started_at: float

    def seconds_left(self) -> float:
        limit = self.task.killed_after or LONGEST_SECONDS
        return max(0.0, self.started_at + limit - time.monotonic())


@dataclass
class Campaign:
    """Runs lanes over a lake and counts: kills by operation and step, other ends, violations."""

    place: Place
    seed: int
    is_maintained: bool = False
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    reserved: set[date] = field(default_factory=set)
    _jobs: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - repeatable, not secret
        self.lake: Lake = self.place.open()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*MODULES])

    @property
    def kill_count(self) -> int:
        return self.kills.total()

    def run(
        self,
        lanes: Sequence[Lane],
        endless: Sequence[Lane] = (),
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Drives the lanes side by side until the finite ones are at their end, or it `is_over`.

        Writers that are under way then come to their own ends.
        """
        begun = [(lane, next(lane, None)) for lane in (*lanes, *endless)]
        finite = {id(lane) for lane, first in begun if first is not None and lane in lanes}
        running = [self._start(lane, first) for lane, first in begun if first is not None]
        while running:
            wait([r.process.sentinel for r in running], min(r.seconds_left() for r in running))
            for one in list(running):
                if one.process.is_alive() and one.seconds_left() > 0:
                    continue
                running.remove(one)
                outcome = self._end(one)
                if is_over() or not finite:
                    continue
                try:
                    running.append(self._start(one.lane, one.lane.send(outcome)))
                except StopIteration:
                    finite.discard(id(one.lane))

    def superseded_day(self) -> date:
        """A date that shows another run than it has shown before, where there is one."""
        runs = {(record.snapshot_date, record.run_id) for record in commits(self.lake)}
        of_day = Counter(day for day, _ in runs if day not in self.reserved)
        several = sorted(day for day, number in of_day.items() if number > 1)
        return self.random.choice(several) if several else self.any_day()

    def do(self, operation: str, day: date, kill_at: Fatal | None = None) -> Outcome:
        """One writer alone, to its end."""
        outcomes: list[Outcome] = []

        def lane() -> Lane:
            outcomes.append((yield self.task(operation, day, kill_at)))

        self.run([lane()])
        return outcomes[0]

    def undisturbed(self, operation: str, day: date) -> Outcome:
        """One writer alone, which nothing keeps from being done."""
        outcome = self.do(operation, day)
        if outcome.how != "done":
            self.violations.append(f"alone, and yet {outcome}")
        return outcome

    def task(
        self,
        operation: str,
        day: date,
        kill_at: Fatal | None = None,
        killed_after: float | None = None,
    ) -> Task:
        """A task with a seed of its own."""
        self._jobs += 1
        return Task(Job(operation, day, self.seed * 100_000 + self._jobs, kill_at), killed_after)

    def days(self) -> list[date]:
        """The dates that have a run."""
        return list(shown_commits(self.lake))

    def next_day(self, first: date = FIRST_DAY) -> date:
        """The first date from there on that has no run."""
        days = self.days()
        return next(day for n in count() if (day := first + timedelta(days=n)) not in days)

    def any_day(self) -> date:
        """Any date that has a run and is not reserved; the newest one more often."""
        days = [day for day in self.days() if day not in self.reserved]
        return days[-1] if self.random.random() < 0.4 else self.random.choice(days)

    # Lanes

    def sweep(self, operation: str, day: Callable[[], date], stride: int = 1) -> Lane:
        """Kills the operation at one step after the other, until it comes to its end."""
        outcome = yield self.task(operation, day(), 1)
        for at in count(1 + stride, stride):
            if outcome.how == "done":
                return
            outcome = yield self.task(operation, day(), at)

    def at_every_step(self, operation: str, day: Callable[[], date], stride: int = 1) -> Lane:
        """Kills the operation at each of its steps, as one that was left alone took them.

        In any order: where time is short, it is short for all steps alike.
        """
        while (outcome := (yield self.task(operation, day()))).how != "done":
            pass
        steps = list(range(1 + self.random.randrange(stride), sum(outcome.steps.values()), stride))
        self.random.shuffle(steps)
        yield from self.at_steps(operation, day, steps)

    def at_steps(self, operation: str, day: Callable[[], date], steps: Sequence[Fatal]) -> Lane:
        """Kills the operation at each of these steps.

        A step by its name is tried again, within reason, where the writer was refused before it, or
        had too little to do: a clean-up has a record to move once another run was committed.
        """
        for at in steps:
            for _ in range(1 if isinstance(at, int) else MOST_TRIES):
                if (yield self.task(operation, day(), at)).how == "killed":
                    break
                if not isinstance(at, int):
                    yield self.task("re-run", self.any_day())

    def at_random(
        self,
        operations: Sequence[str],
        day: Callable[[], date] | None = None,
        part_killed: float = 0.8,
        until: Callable[[], bool] = lambda: False,
    ) -> Lane:
        """One operation or another, killed by the parent at any instant; by default for ever."""
        while not until():
            operation = self.random.choice(operations)
            is_killed = self.random.random() < part_killed
            after = self.random.uniform(0.02, LATEST_RANDOM_KILL_SECONDS) if is_killed else None
            days = {"run": self.next_day, "rollback": self.superseded_day}
            to = day or days.get(operation, self.any_day)
            yield self.task(operation, to(), killed_after=after)

    # One writer

    def _start(self, lane: Lane, task: Task) -> _Running:
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(self.place, task.job, sending))
        process.start()
        sending.close()
        return _Running(lane, task, process, receiving, time.monotonic())

    def _end(self, one: _Running) -> Outcome:
        """Kills the writer where its time is up; notes how it ended, and checks the lake."""
        if one.process.is_alive():
            one.process.kill()
            if one.task.killed_after is None:
                self.violations.append(f"{one.task.job} hangs")
        one.process.join()
        job = one.task.job
        report = _received(one.report)
        one.process.close()
        if report is None:
            outcome = Outcome(job, "killed", "at random")
        elif report[0] == "done":
            outcome = Outcome(job, "done", steps=report[1])
        else:
            outcome = Outcome(job, report[0], report[1])
        self._note(outcome, report)
        self.violations += [f"after {outcome}: {p}" for p in problems_of_records(self.lake)]
        return outcome

    def _note(self, outcome: Outcome, report: Any) -> None:
        operation = outcome.job.operation
        if outcome.how == "killed":
            self.kills[operation, outcome.words] += 1
        elif outcome.how == "done":
            self.done[operation] += 1
        else:
            words = next((known for known in EXPECTED if known in outcome.words), None)
            if words is None and self.is_maintained and GONE in outcome.words:
                words = GONE
            self.refused[operation, words or outcome.words] += 1
            if words is None:
                self.violations.append(f"{outcome.job}: {outcome.words}\n{report[2]}")


def one_of_each_kind(steps: Mapping[str, int], random: Random) -> list[Fatal]:
    """Of each kind of step, by its name, one of those that there are."""
    return [(name, random.randint(1, number)) for name, number in steps.items()]


def _received(report: Connection) -> Any:
    """The writer's last words; None where it was killed without any."""
    try:
        return report.recv() if report.poll() else None
    except EOFError:
        return None
    finally:
        report.close()
