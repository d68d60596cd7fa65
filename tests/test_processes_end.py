"""Processes that end: killed, with their run, or by what they raise; no row is lost or there twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import REGIONS
from extract.landing import landed_pages
from flows.parameters import SnapshotParameters
from flows.process import InProcessError, Raised, of_exception
from flows.watch import Silent
from lake.commit import CommitError
from tests.command import IMAGELAKE, UNTRACKED
from tests.fleet_rows import rows
from tests.test_disk_faults import disk, leave_free
from tests.test_processes import DATE, TARGETS, asked_for, given, take, wait_for_rest

__all__ = ["disk", "given"]  # the fixtures are these tests' too

Parameters = Callable[..., SnapshotParameters]

EXTERNAL_ID = "an-external-id-that-is-secret"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("at_once")]


def test_a_killed_process_costs_the_calls_that_it_was_at(
    emulator: Emulator, given: Parameters, tmp_path: Path
) -> None:
    """Another goes on at the last page that landed: what had landed is asked for once."""
    alone = given(lake=str(tmp_path / "alone"), warehouse=tmp_path / "alone.duckdb", processes=1)
    take(alone)
    whole = asked_for(emulator)
    emulator.clear_requests()
    emulator.set_faults("*", {"latency_ms": 60})
    killed: list[int] = []

    def kill_one() -> None:
        if not killed and len(asked_for(emulator)) > 12:
            killed.append(children_of(os.getpid())[-1])
            os.kill(killed[0], signal.SIGKILL)

    watch = Hearing(kill_one)
    summary = take(given(processes=2), watch)
    assert len(killed) == 1
    assert watch.stages[:2] == [
        "in 2 processes",
        "a process has ended by signal 9: another goes on with its batch",
    ]
    assert summary.status == "complete"
    assert of_builds(given().warehouse) == of_builds(alone.warehouse)
    again = asked_for(emulator) - whole
    assert set(asked_for(emulator)) == set(whole)
    assert again.total() <= TARGETS  # at most the call that each of its listings was at


def test_a_batch_that_ends_every_process_ends_the_run(given: Parameters) -> None:
    """As one does that the machine has not the memory for; nothing is committed or left running."""
    is_over = Event()

    def kill_all() -> None:
        while not is_over.wait(0.05):
            for child in children_of(os.getpid()):
                os.kill(child, signal.SIGKILL)

    killer = Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(CommitError) as raised:
            take(given(processes=2))
    finally:
        is_over.set()
        killer.join()
    assert str(raised.value) in {
        f"batch {number} of 2 has ended 3 processes, the last by signal 9: see this machine's "
        "memory, or give --processes 1"
        for number in (1, 2)
    }
    assert children_of(os.getpid()) == []
    assert not list(Path(given().lake).glob("_commits/*"))


def test_processes_that_cannot_begin_end_the_run(
    given: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be they gone before they were handed anything."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CommitError) as raised:
        take(given(processes=2))
    assert str(raised.value) in {
        f"batch {number} of 2 has ended 3 processes, the last with status 1: see what it wrote, or "
        "give --processes 1"
        for number in (1, 2)
    }


def test_what_a_process_raises_the_run_raises(given: Parameters) -> None:
    """Here a file where the folder of the builds is to be; with where in the process it came from."""
    asked = given(processes=2)
    lake = Path(asked.lake)
    (lake / "image_builds").mkdir(parents=True)
    (lake / "image_builds" / f"snapshot_date={DATE}").touch()
    with pytest.raises(NotADirectoryError, match="image_builds") as raised:
        take(asked)
    assert isinstance(raised.value.__cause__, InProcessError)
    assert "in read_batch_here" in str(raised.value.__cause__)
    assert children_of(os.getpid()) == []


def test_a_full_disk_is_told_as_it_is_of_one_process(
    emulator: Emulator, given: Parameters, disk: Path
) -> None:
    """In a line that says whose it is; the processes themselves say nothing."""
    lake = disk / "lake"
    run = command(emulator, given, lake)
    ballast = leave_free(disk, 100_000)
    ended = subprocess.run(run, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    *before, last = ended.stderr.splitlines()
    assert last.startswith(
        f"imagelake: nothing was committed: --lake '{lake}': no space is left in {lake}; make room, "
    )
    assert before[:3] == [UNTRACKED, f"reading {TARGETS} targets", "in 2 processes"]
    assert "Traceback" not in ended.stderr
    assert not list(lake.glob("*/*/*/*.tmp-*"))
    ballast.unlink()
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0


class TwoWordsError(Exception):
    """One that cannot be made again from what it says."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def test_an_exception_that_cannot_be_handed_on_is_told_by_its_words() -> None:
    told = handed_on(TwoWordsError("no", "luck"))
    assert (type(told.error), str(told.error)) == (RuntimeError, "TwoWordsError: no luck")
    assert handed_on(OSError(28, "No space left", "page")).error.args == (28, "No space left")


def test_what_is_secret_is_in_no_list_of_processes(emulator: Emulator, given: Parameters) -> None:
    """Neither in the arguments nor in the environment.

    That is the run's own: another Python that a process may begin finds its own modules.
    """
    seen: dict[int, tuple[bytes, bytes]] = {}

    def look() -> None:
        for child in children_of(os.getpid()):
            listed = Path(f"/proc/{child}")
            seen[child] = (listed / "cmdline").read_bytes(), (listed / "environ").read_bytes()

    emulator.set_faults("*", {"external_id": EXTERNAL_ID})
    summary = take(given(processes=2, external_id=EXTERNAL_ID), Hearing(look))
    assert summary.status == "complete"
    own = {f"PYTHONPATH={path}".encode() for path in [os.environ.get("PYTHONPATH")] if path}
    assert len(seen) == 2
    for arguments, environment in seen.values():
        assert EXTERNAL_ID.encode() not in arguments
        assert EXTERNAL_ID.encode() not in environment
        assert {of for of in environment.split(b"\0") if of.startswith(b"PYTHONPATH=")} == own


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_run_that_ends_takes_its_processes_with_it(
    emulator: Emulator, given: Parameters, tmp_path: Path, number: signal.Signals
) -> None:
    """Within moments; the next run goes on with what they had landed, in one process or many."""
    whole = given(lake=str(tmp_path / "whole"), warehouse=tmp_path / "whole.duckdb", processes=1)
    take(whole)
    in_all = asked_for(emulator)
    emulator.clear_requests()
    emulator.set_faults("*", {"latency_ms": 100})
    run = started(emulator, given)
    await_that(lambda: len(asked_for(emulator)) > 12)
    children = children_of(run.pid)
    assert len(children) == 2
    os.killpg(run.pid, number) if number == signal.SIGINT else os.kill(run.pid, number)
    said = run.communicate(timeout=20)[1]
    await_that(lambda: not any(Path(f"/proc/{child}/cmdline").exists() for child in children), 5)
    if number == signal.SIGINT:
        assert run.returncode == 1
        assert said.splitlines()[-1].startswith("imagelake: interrupted: nothing was committed")
        assert "Traceback" not in said
    (landing,) = Path(given().lake).glob("_raw/*/*")
    before = len(landed_pages(landing))
    assert before > 4
    wait_for_rest(emulator)
    emulator.clear_faults()
    emulator.clear_requests()
    take(given(processes=2))
    assert asked_for(emulator).total() == in_all.total() - before
    assert of_builds(given().warehouse) == of_builds(whole.warehouse)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_processes_that_have_just_begun_end_without_a_word(
    emulator: Emulator, given: Parameters, number: signal.Signals
) -> None:
    """They still import when the run is interrupted, or gone."""
    run = started(emulator, given)
    await_that(lambda: bool(children_of(run.pid)))
    children = children_of(run.pid)
    os.killpg(run.pid, number) if number == signal.SIGINT else os.kill(run.pid, number)
    said = run.communicate(timeout=20)[1]
    await_that(lambda: not any(Path(f"/proc/{child}/cmdline").exists() for child in children), 10)
    lines = [line for line in said.splitlines() if not line.startswith("imagelake: interrupted")]
    assert lines == [UNTRACKED, f"reading {TARGETS} targets", "in 2 processes"][: len(lines)]
    assert asked_for(emulator) == Counter()


def started(emulator: Emulator, given: Parameters) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(emulator, given), stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def command(emulator: Emulator, given: Parameters, lake: Path | None = None) -> list[str]:
    return [
        *(IMAGELAKE, "run", "--date", DATE, "--processes", "2", "--page-size", "20"),
        *("--lake", str(lake or given().lake), "--warehouse", str(given().warehouse)),
        *(option for arn in emulator.role_arns() for option in ("--role-arn", arn)),
        *(option for region in REGIONS for option in ("--region", region)),
    ]


class Hearing(Silent):
    """Keeps the stages that it is told of; calls `then` at each page."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.stages: list[str] = []
        self._then = then

    def called(self, _: object) -> None:
        self._then()

    def doing(self, stage: str) -> None:
        self.stages.append(stage)


def handed_on(error: Exception) -> Raised:
    try:
        raise error
    except Exception as raised:
        return of_exception(raised)


def of_builds(warehouse: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but those that count the calls, of which a listing that was gone on with has fewer."""
    return {name: found for name, found in rows(warehouse).items() if name != "snapshot_targets"}


def children_of(process: int) -> list[int]:
    """The processes of a run, by their ids."""
    return sorted(_children_of(process))


def _children_of(process: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text().rpartition(")")[2].split()
            command = status.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == process and b"flows.process" in command and words[0] != "Z":
            yield int(status.parent.name)


def await_that(is_so: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
