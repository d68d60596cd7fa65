"""A command on a terminal of its own: what a person types, what a person sees."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 30.0
"""Far more than anything takes; a busy machine is no failure."""

_WHERE_IS_THE_CURSOR = b"\x1b[6n"
_AT_THE_TOP = b"\x1b[1;1R"
_CONTROLS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])|\r")


class Terminal:
    """A process whose input and output are a pseudo-terminal."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        columns: int = 100,
        stdout: int | None = None,
    ) -> None:
        self.leader, follower = os.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

        def take_the_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=take_the_terminal,  # so that Ctrl-C on it reaches the process
            stdin=follower,
            stdout=follower if stdout is None else stdout,
            stderr=follower,
        )
        os.close(follower)
        self.raw = b""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.leader)

    @property
    def shown(self) -> str:
        """All that was written so far, without what only moves or colours."""
        return _CONTROLS.sub("", self.raw.decode(errors="replace"))

    def type(self, text: str) -> None:
        """Types, as fast as the terminal takes it."""
        os.write(self.leader, text.encode())

    def sees(self, text: str, seconds: float = PATIENCE_SECONDS) -> str:
        """What is shown up to the text, from where the last look ended; fails if it never comes."""
        until = time.monotonic() + seconds
        while (found := self.shown.find(text, self._seen)) < 0:
            left = until - time.monotonic()
            assert left > 0, f"{text!r} is not in {self.shown[self._seen :]!r}"
            if not self._read(left):
                found = self.shown.find(text, self._seen)
                assert found >= 0, f"ended without {text!r}: {self.shown[self._seen :]!r}"
                break
        before = self.shown[self._seen : found]
        self._seen = found + len(text)
        return before

    def ends(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit status of the process, which ends by itself."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, f"goes on: {self.shown[self._seen :]!r}"
            self._read(0.05)
        while self._read(0.05):
            pass
        return int(self.process.returncode)

    def _read(self, seconds: float) -> bool:
        """Reads what is there or comes within the time; answers as a terminal does."""
        if not select.select([self.leader], [], [], min(seconds, 0.2))[0]:
            return self.process.poll() is None
        try:
            read = os.read(self.leader, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += read
        for _ in range(read.count(_WHERE_IS_THE_CURSOR)):
            os.write(self.leader, _AT_THE_TOP)
        return bool(read)
