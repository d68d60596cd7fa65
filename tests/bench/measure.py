"""What a command takes as a whole process, its children counted: CPU, wall time, peak memory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

MOST_SECONDS: Final = 1800.0
"""A command that takes longer is killed."""
SAMPLED_SECONDS: Final = 0.1


class Spent(NamedTuple):
    """What a command took: seconds of user and system CPU, of the clock, and megabytes."""

    user: float
    system: float
    wall: float
    peak_mb: float

    @property
    def cpu(self) -> float:
        """Seconds of CPU in all."""
        return self.user + self.system


def spent_by(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Spent:
    """Runs the command in the folder, which gets its words as `said`; raises SystemExit if it fails.

    The kernel counts a process's peak memory from that of the process that started it, so the caller
    has to be the smaller one.
    """
    with (folder / "said").open("wb") as said:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True
        )
        with _ended_with_us(process.pid), _Family(process.pid) as family:
            _, status, spent = os.wait4(process.pid, 0)  # this child's own usage and no other's
            wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        words = (folder / "said").read_text(errors="replace")[-4000:]
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{words}")
    if spent.ru_maxrss / 1024 <= (own := _megabytes(os.getpid(), "status", "VmHWM:")):
        raise SystemExit(f"measured by a process of {own:.0f} MB: the command's own is not known")
    peak = max(spent.ru_maxrss / 1024, family.peak_mb)
    return Spent(spent.ru_utime, spent.ru_stime, wall, peak)


@contextmanager
def _ended_with_us(pid: int) -> Iterator[None]:
    """Where we are interrupted, ends the process, which leads a group of its own, and its children."""
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        raise


class _Family:
    """Watches a process and its descendants: the most memory that several had at a time.

    A page that they share is counted once. One process alone is not looked at: the kernel knows its
    peak exactly. One that outlasts its time is killed, and its children with it.
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Family:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        until = time.monotonic() + MOST_SECONDS
        while not self._ended.wait(SAMPLED_SECONDS):
            members = list(_descendants(self._pid))
            if len(members) > 1:
                shared_out = (_megabytes(pid, "smaps_rollup", "Pss:") for pid in members)
                self.peak_mb = max(self.peak_mb, sum(shared_out))
            if time.monotonic() > until:
                os.killpg(self._pid, signal.SIGKILL)
                return


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _megabytes(pid: int, file: str, name: str) -> float:
    """A number of a process's memory as the kernel tells it; 0 where the process has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    return 0.0
