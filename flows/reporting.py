"""The end of a tracked run whose Prefect server does not answer: it waits, and then ends by itself.

What was committed stands whatever the server does. Without this the run would end in tracebacks, and
in a state that says nothing of the snapshot.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

from flows.terminal import printable

REPORT_SECONDS: Final = 600.0
"""So long a finished run waits to report its end."""
POLL_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 10.0


def await_api(outcome: str, status: int, say: Callable[[str], object]) -> None:
    """Returns once Prefect's API answers.

    Where it does not in time, ends the process with `status` after a line on stderr with the outcome:
    whatever Prefect has still to send has nobody to go to, and it would try for minutes more.
    """
    error = _unreachable()
    if error is None:
        return
    until = time.monotonic() + REPORT_SECONDS
    say(f"{outcome}; Prefect's API does not answer ({error}): waiting to report it")
    try:
        while error is not None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            error = _unreachable()
    except KeyboardInterrupt:
        _end(f"{outcome}; interrupted before Prefect could be told", status)
    if error is not None:
        _end(f"{outcome}, but Prefect could not be told: {error}", status)


def _unreachable() -> Exception | None:
    """Why the API cannot be reached; None where it can."""
    from prefect import get_client  # takes seconds, and the flow has it already

    # A client of its own: the run's, which has been connected, would try again for minutes.
    with get_client({"timeout": ANSWER_SECONDS}, sync_client=True) as client:
        return client.api_healthcheck()


def _end(words: str, status: int) -> NoReturn:
    sys.stdout.flush()
    # Prefect's own words on the same matter end without a line break.
    sys.stderr.write(f"\nimagelake: {printable(words)}\n")
    sys.stderr.flush()
    os._exit(status)
