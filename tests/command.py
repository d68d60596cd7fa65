"""`imagelake` as a process of its own, forked from one that has imported what commands import.

It runs as the installed command does: arguments, environment, folder, standard streams and exit
status are its own. Only the imports, most of what a small command takes, are made once.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any, Final

from flows.starting import lean_imports

IMAGELAKE: Final = str(Path(sys.executable).with_name("imagelake"))
"""The installed command, for tests of how it starts, is killed, or reads and writes by and by."""
Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
"""The fixture `imagelake`."""
UNTRACKED: Final = "not tracked by Prefect (no PREFECT_API_URL; see --track)"
"""What a run says of itself on stderr where no Prefect server is named."""

_PROJECT: Final = Path(__file__).parents[1]
_MOST_BYTES: Final = 1 << 20
_one_at_a_time: Final = Lock()


def run_command(
    arguments: Sequence[str],
    folder: Path,
    text: str = "",
    environment: Mapping[str, str] = os.environ,
) -> Ended:
    """Runs the command in the folder to its end; `text` is its standard input."""
    asked = {
        "arguments": [IMAGELAKE, *arguments],
        "folder": str(folder),
        "environment": dict(environment),
    }
    ends = [os.pipe() for _ in range(3)]
    (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = ends
    said: dict[str, str] = {}
    streams = [
        Thread(target=_read, args=(os.fdopen(end), name, said))
        for name, end in (("stdout", from_stdout), ("stderr", from_stderr))
    ]
    with _one_at_a_time:
        asking = _starter()
        socket.send_fds(asking, [json.dumps(asked).encode()], [stdin, stdout, stderr])
        for end in (stdin, stdout, stderr):
            os.close(end)
        for stream in streams:
            stream.start()
        with suppress(BrokenPipeError), os.fdopen(to_stdin, "w") as file:
            file.write(text)  # it may have read what it wanted
        for stream in streams:
            stream.join()
        status = int(asking.recv(16))
    return Ended([IMAGELAKE, *arguments], status, said["stdout"], said["stderr"])


def _read(file: IO[str], name: str, said: dict[str, str]) -> None:
    with file:
        said[name] = file.read()


@cache
def _starter() -> socket.socket:
    """The process to fork from; it ends with this one, which holds the other end."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)  # a message whole, or none
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.command", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd=_PROJECT,
        )
    return ours


def _commands(asking: socket.socket) -> dict[str, Any]:
    """Forks for each command that is asked for, and tells how it ended; returns in the fork."""
    while True:
        message, ends, _, _ = socket.recv_fds(asking, _MOST_BYTES, 3)
        if not message:
            os._exit(0)
        child = os.fork()
        if not child:
            asking.close()
            for stream, end in enumerate(ends):
                os.dup2(end, stream)
                os.close(end)
            asked: dict[str, Any] = json.loads(message)
            return asked
        for end in ends:
            os.close(end)
        _, status = os.waitpid(child, 0)
        asking.send(str(os.waitstatus_to_exitcode(status)).encode())


def main() -> None:
    """Becomes each command in turn, in a fork."""
    with lean_imports():
        import flows.cli
    import flows.pipeline
    import flows.session
    import flows.status

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who runs the tests
    asked = _commands(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["arguments"]
    sys.modules["__main__"].__package__ = None  # which usage errors would name for the command
    status: Any = 1
    try:
        flows.cli.main()
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status or 0)  # DuckDB's own thread stayed behind, and its end would wait for it


if __name__ == "__main__":
    main()
