"""The handle of an emulator that runs in a process of its own, for tests and demonstrations."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

from extract.emulator.settings import ACCOUNTS, BUILDS, REGIONS, TOKEN_SECONDS

STOP_SECONDS = 5.0
PROJECT = Path(__file__).parents[2]


class EmulatorError(RuntimeError):
    """The emulator did not start, or refused a control call; its own words are in the text."""


class Emulator:
    """A running emulator; a context manager that stops it, and so does this process's end."""

    def __init__(
        self, process: subprocess.Popen[str], url: str, accounts: Sequence[str], region: str
    ) -> None:
        self.process = process
        self.url = url
        self.accounts = tuple(accounts)
        self.region = region

    def set_clock(self, clock: datetime) -> None:
        """Show the fleet as of `clock` (without a zone: UTC) from the next page on."""
        self._call("POST", "clock", {"clock": clock.isoformat()})

    def set_faults(self, target: str, faults: Mapping[str, Any]) -> None:
        """Replace the faults of ACCOUNT/REGION, ACCOUNT/*, */REGION or *."""
        self._call("POST", "faults", {target: dict(faults)})

    def clear_faults(self) -> None:
        """Remove the faults of all targets."""
        self._call("DELETE", "faults")

    def set_answers(
        self,
        account: str,
        region: str,
        bodies: Sequence[str],
        operation: str = "ListImageBuildVersions",
    ) -> None:
        """Serve `bodies` as the target's pages, byte for byte; none gives its fleet back."""
        answers = {
            "account": account,
            "region": region,
            "operation": operation,
            "bodies": list(bodies),
        }
        self._call("POST", "answers", answers)

    def clear_answers(self) -> None:
        """Give every target its fleet back."""
        self._call("DELETE", "answers")

    def requests(self) -> list[dict[str, Any]]:
        """Return the log of requests to the services, oldest first (the newest 20,000)."""
        log: list[dict[str, Any]] = self._call("GET", "requests")
        return log

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._call("DELETE", "requests")

    def stats(self) -> dict[str, float]:
        """Return `requests`, `builds` (items served) and `cpu_seconds` since the start."""
        stats: dict[str, float] = self._call("GET", "stats")
        return stats

    def environment(self) -> dict[str, str]:
        """Return the variables that send an AWS client of the home account here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": f"AKIA{self.accounts[0]}EMUL",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def role_arns(self) -> list[str]:
        """Return the ARN of a role that can be assumed in each account."""
        return [f"arn:aws:iam::{account}:role/imagelake" for account in self.accounts]

    def close(self) -> None:
        """Stop the process; closing twice is the same as closing once."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _call(self, method: str, call: str, value: object = None) -> Any:
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            body = None if value is None else json.dumps(value)
            connection.request(method, f"/_emulator/{call}", body)
            answer = connection.getresponse()
            result = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise EmulatorError(result["message"])
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    *,
    seed: int = 1,
    accounts: Sequence[str] = ACCOUNTS,
    regions: Sequence[str] = REGIONS,
    builds: int = BUILDS,
    clock: datetime | None = None,
    port: int = 0,
    faults: Mapping[str, Any] | None = None,
    token_seconds: float = TOKEN_SECONDS,
) -> Emulator:
    """Start an emulator in a process of its own and return its handle once it answers.

    The process ends with the handle, or with the process that holds it, however that ends.
    Raises EmulatorError where it does not start (its reason is on stderr).
    """
    command = [sys.executable, "-m", "extract.emulator", "--watch-stdin", "--announce-json"]
    command += ["--seed", str(seed), "--builds", str(builds), "--port", str(port)]
    command += ["--accounts", ",".join(accounts), "--regions", ",".join(regions)]
    command += ["--token-seconds", str(token_seconds)]
    command += ["--clock", clock.isoformat()] if clock else []
    process = subprocess.Popen(  # noqa: S603 - our own module, arguments passed without a shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait()
        raise EmulatorError(f"the emulator ended with status {process.returncode}: {command}")
    emulator = Emulator(process, json.loads(line)["url"], accounts, regions[0])
    for target, mapping in (faults or {}).items():
        try:
            emulator.set_faults(target, mapping)
        except EmulatorError:
            emulator.close()
            raise
    return emulator
