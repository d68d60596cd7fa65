"""A real Dask scheduler and its workers, each a process that talks TCP on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.prefect_server import START_SECONDS, binary, free_port, wait_for


class Cluster:
    """A scheduler at `address`, and its workers by name; `environment` is the workers'."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        command = ["dask", "scheduler", "--host", "127.0.0.1", "--port", str(port)]
        self.scheduler = self._started("scheduler", [*command, "--no-dashboard"], {})
        wait_for(lambda: _listens(port), START_SECONDS, folder / "scheduler.log")

    def start_worker(self, name: str, **environment: str) -> None:
        """Starts a worker of one thread and waits until it is at work."""
        command = ["dask", "worker", self.address, "--name", name, "--host", "127.0.0.1"]
        alone = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        given = {"XDG_CACHE_HOME": str(self.folder / name), **environment}
        self.workers[name] = self._started(name, [*command, *alone], given)
        wait_for(lambda: "Registered to" in self.said(name), START_SECONDS, self._log(name))

    def kill(self, name: str) -> None:
        """The worker, or the scheduler, is gone without a last word."""
        process = self.workers.pop(name) if name in self.workers else self.scheduler
        process.send_signal(signal.SIGKILL)
        process.wait()

    def said(self, name: str) -> str:
        """What the worker, or the scheduler, has logged."""
        return self._log(name).read_text()

    def end(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _started(
        self, name: str, command: list[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        (self.folder / name).mkdir()
        with self._log(name).open("wb") as log:
            return subprocess.Popen(
                [binary(command[0]), *command[1:]],
                stdout=log,
                stderr=log,
                cwd=self.folder / name,
                env={**self.environment, **environment},
            )


@contextmanager
def cluster(folder: Path, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """A scheduler without workers; all of it ends with the block."""
    folder.mkdir(exist_ok=True)
    running = Cluster(folder, environment)
    try:
        yield running
    finally:
        running.end()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
