"""A process of a run: reads the batches that the run's own process hands it (`flows.processes`)."""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final, NoReturn

from flows.parameters import SnapshotParameters
from flows.starting import spared
from flows.watch import Telling
from flows.worker import Batch, read_batch_here

TOLD_SECONDS: Final = 0.25
"""Of a target under way the run hears so often: telling costs as much as a tenth of a call."""


class InProcessError(Exception):
    """Where in its process an error was raised: its traceback, as text."""


@dataclass(frozen=True)
class Raised:
    """What ended a batch: the error for the run to raise, and where it comes from."""

    error: Exception
    where: InProcessError


def main(descriptor: int) -> None:
    """Answers each batch by what was read of it, or the exception that ended it."""
    _leave_interrupts_to_the_run()
    connection: Connection = Connection(descriptor)
    batches: SimpleQueue[Batch] = SimpleQueue()
    lock = Lock()

    def send(what: object) -> None:
        with lock:  # each listing's thread tells of its own
            try:
                connection.send(what)
            except OSError:
                _end()

    try:
        parameters: SnapshotParameters = connection.recv()
    except (EOFError, OSError):
        _end()
    Thread(target=_receive, args=(connection, batches), daemon=True).start()
    with spared():
        while True:
            try:
                send(read_batch_here(parameters, batches.get(), Telling(send, TOLD_SECONDS)))
            except Exception as error:
                send(of_exception(error))


def _leave_interrupts_to_the_run() -> None:
    """Ctrl-C ends the run, which ends this process; what this process begins, such as a
    credential_process, hears it as ever.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _receive(connection: Connection, batches: SimpleQueue[Batch]) -> None:
    """Hands on the batches, until the run is gone."""
    try:
        while True:
            batches.put(connection.recv())
    except (EOFError, OSError):
        _end()


def _end() -> NoReturn:
    """The run is gone: this process ends too, at once and without a word."""
    os._exit(1)


def of_exception(error: Exception) -> Raised:
    """The exception that is handled, as another process can be handed it."""
    where = InProcessError(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, written a moment ago
    except Exception:  # an exception whose arguments are not those it was made with
        return Raised(RuntimeError(f"{type(error).__name__}: {error}"), where)
    return Raised(error, where)
