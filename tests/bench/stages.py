"""`python -m tests.bench.stages OPTIONS`: the CPU seconds of each stage of `imagelake run OPTIONS`.

The command itself is run in this process, with a clock around the functions that its stages are made
of; last comes what is left of the process, mostly the imports.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from typing import Any, Final
from unittest.mock import patch

import extract.pages
import flows.cli
import flows.pipeline
import flows.writing
from extract.envelope import open_envelope
from extract.flatten import flatten
from extract.landing import LandedPage, LandingWriter
from extract.reading import BuildReader
from lake.checks import require_right
from lake.writer import TablesWriter
from tests.bench.results import STAGES_FILE

STEPS: Final = ("plan", "land", "write", "commit", "publish")


class Clock:
    """CPU seconds by name: of the process in its main thread, else of the thread alone."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def around(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        @wraps(work)
        def timed(*given: Any, **named: Any) -> Any:
            is_main = threading.current_thread() is threading.main_thread()
            clock = time.process_time if is_main else time.thread_time
            started = clock()
            try:
                return work(*given, **named)
            finally:
                spent = clock() - started
                with self._lock:
                    self.seconds[name] += spent

        return timed

    def around_each(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same generator function, each of its steps timed."""

        def timed(*given: Any) -> Iterator[Any]:
            step = self.around(name, lambda items: next(items, None))
            items = work(*given)
            while (item := step(items)) is not None:
                yield item

        return timed


def main(options: list[str]) -> None:
    """Runs the command; the seconds go to the file that the environment names."""
    clock = Clock()
    around = clock.around
    plain = flows.pipeline.PLAIN
    steps = replace(
        plain,
        **{name: around(name, getattr(plain, name)) for name in STEPS},
    )
    with ExitStack() as patched:
        for owner, name, timed in (
            (flows.pipeline, "PLAIN", steps),
            (LandingWriter, "land", around("keep", LandingWriter.land)),
            (extract.pages, "open_envelope", around("look", open_envelope)),
            (LandedPage, "read_body", around("read back", LandedPage.read_body)),
            (BuildReader, "read", around("decode", BuildReader.read)),
            (flows.writing, "flatten", clock.around_each("flatten", flatten)),
            (flows.writing, "require_right", around("check", require_right)),
            (TablesWriter, "append", around("Parquet", TablesWriter.append)),
            (TablesWriter, "finish", around("Parquet", TablesWriter.finish)),
            (TablesWriter, "publish", around("Parquet", TablesWriter.publish)),
        ):
            patched.enter_context(patch.object(owner, name, timed))
        sys.argv = ["imagelake", "run", *options]
        try:
            flows.cli.main()
        finally:
            with open(os.environ[STAGES_FILE], "w") as file:  # noqa: PTH123 - the process is about to end
                json.dump(dict(clock.seconds), file)


if __name__ == "__main__":
    main(sys.argv[1:])
