"""`make superset`: Superset over the demo's fleet, in its own environment, for this machine alone.

What it keeps is in a folder of its environment; a change of the dashboards makes that folder anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from flows.demo import take, take_history
from flows.superset.bundle import write_bundle
from lake.location import open_folder
from lake.warehouse import publish

FILES: Final = Path(__file__).parents[2] / "data" / "superset"
ENVIRONMENT: Final = Path(".venv/superset")
FOLDER: Final = ENVIRONMENT / "demo"
PORT: Final = 8088
START_SECONDS: Final = 120.0


def main(port: int) -> None:
    """Serves the dashboards until Ctrl-C; says where, and the password when it is made."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    require_free(port)
    with alone(ENVIRONMENT):
        warehouse = demo_warehouse(FOLDER)
        superset = Superset(ENVIRONMENT.absolute(), ENVIRONMENT.absolute() / "home")
        _say("setting Superset up (half a minute, once)")
        if password := superset.prepare(warehouse):
            _say(f"log in as admin with the password {password}")
        else:
            _say(f"the password is the one that was shown; rm -r {superset.home} makes another")
        with superset.serving(port) as url:
            _say(f"{url}/dashboard/list/ (Ctrl-C ends it)")
            with suppress(KeyboardInterrupt):
                signal.pause()


@contextmanager
def alone(environment: Path) -> Iterator[None]:
    """Ends the process with a line where another one sets up or serves what is kept there."""
    with (environment / "in_use").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SystemExit(f"{environment}: another make superset runs; end it first") from error
        yield


def demo_warehouse(folder: Path) -> Path:
    """The warehouse of the demo's fleet; its lake is filled where there is none yet.

    Its last days are those before today, not the demo's own: captures bear the time at which they are
    taken, and what is stuck or due goes by it.
    """
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        last_date = datetime.now(UTC).date() - timedelta(days=2)
        take_history(unfinished / "lake", unfinished / "imagelake.duckdb", last_date, take)
        unfinished.rename(folder)
    warehouse = folder / "imagelake.duckdb"
    publish(open_folder(str(folder / "lake")), warehouse)
    return warehouse


@dataclass(frozen=True)
class Superset:
    """A Superset: the environment that it is installed in, and the folder of all that it keeps."""

    environment: Path
    home: Path

    def prepare(self, warehouse: Path) -> str | None:
        """Sets it up in its folder and imports the dashboards.

        Returns the password of its admin; None where all that was done before.
        """
        bundle = self.home.with_name(f"{self.home.name}.zip")
        bundle.parent.mkdir(parents=True, exist_ok=True)
        write_bundle(warehouse, bundle)
        made_of = [bundle, FILES / "prepare.py", FILES / "superset_config.py"]
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
        ready = self.home / "ready"
        if ready.exists() and ready.read_text() == digest:
            return None
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(mode=0o700)
        (self.home / "secret_key").write_text(secrets.token_urlsafe(42))
        password = secrets.token_urlsafe(12)
        self._run([FILES / "prepare.py", bundle], {"PASSWORD": password})
        ready.write_text(digest)
        return password

    @contextmanager
    def serving(self, port: int) -> Iterator[str]:
        """It answers at the address on loopback, and has ended when the context has."""
        url = f"http://127.0.0.1:{port}"
        options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "20"]
        command = [self._python, "-m", "gunicorn", *options, "--timeout", "120"]
        with (
            (self.home / "superset.log").open("wb") as log,
            subprocess.Popen(  # noqa: S603 - Superset's own server
                [*command, "superset.app:create_app()"],
                env=self._variables,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process, which ends the server
            ) as server,
        ):
            try:
                self._await(url, server)
                yield url
            finally:
                server.terminate()

    def _await(self, url: str, server: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while server.poll() is None and time.monotonic() < until:
            try:
                with urlopen(f"{url}/health", timeout=10):  # noqa: S310 - our own server on loopback
                    return
            except OSError:  # URLError is one
                time.sleep(0.3)
        raise SystemExit(f"Superset does not answer; its log is {self.home / 'superset.log'}")

    def _run(self, arguments: list[Path], variables: dict[str, str]) -> None:
        log = self.home / "prepare.log"
        with log.open("wb") as out:
            ended = subprocess.run(  # noqa: S603 - our own script
                [self._python, *arguments],
                env=self._variables | variables,
                stdout=out,
                stderr=out,
                check=False,
            )
        if ended.returncode:
            raise SystemExit(f"Superset could not be set up; {log} says why")

    @property
    def _python(self) -> str:
        return str(self.environment / "bin" / "python")

    @property
    def _variables(self) -> dict[str, str]:
        """The environment of its processes; PYTHONPATH would mix ours into theirs."""
        ours = {
            "SUPERSET_HOME": str(self.home),
            "SUPERSET_CONFIG_PATH": str(FILES / "superset_config.py"),
        }
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ours


def require_free(port: int) -> None:
    """Ends the process with a line where something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SystemExit(
                f"127.0.0.1:{port}: {error.strerror}; give another: make superset PORT=8089"
            ) from error


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else PORT)
    except KeyboardInterrupt:  # before it serves
        sys.exit(130)
