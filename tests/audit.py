"""The kept list of what is installed: each dependency's version, where it is used, since when.

`python -m tests.audit` brings it up to the lock files, and where pip-audit and its data can be had
asks them for known vulnerabilities. Where they cannot, the list is what to hold an advisory against.
"""

import csv
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

PROJECT: Final = Path(__file__).parents[1]
LIST: Final = PROJECT / "data" / "audit" / "dependencies.csv"
LOCK: Final = PROJECT / "requirements.lock"
RUN_LOCK: Final = PROJECT / "requirements-run.lock"
RUN, TESTS = "run", "tests"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


class Dependency(NamedTuple):
    """A package at a version; `used` is `run` where the container has it, else `tests`."""

    name: str
    version: str
    used: str
    since: str


def pins(lock: Path) -> set[tuple[str, str]]:
    """The packages of a lock file, each with its version; some have one for each Python."""
    return set(_PIN.findall(lock.read_text("utf-8")))


def listed() -> list[Dependency]:
    """The kept list."""
    with LIST.open(newline="", encoding="utf-8") as file:
        return [Dependency(**row) for row in csv.DictReader(file)]


def locked(today: str) -> list[Dependency]:
    """What the lock files say now; what the list has already keeps its date."""
    known = {(d.name, d.version): d.since for d in listed()} if LIST.exists() else {}
    runs = pins(RUN_LOCK)
    return [
        Dependency(*pin, RUN if pin in runs else TESTS, known.get(pin, today))
        for pin in sorted(pins(LOCK))
    ]


def main() -> int:
    """Writes the list, then asks pip-audit; its status, or 0 where it cannot be had."""
    dependencies = locked(datetime.now(UTC).date().isoformat())
    LIST.parent.mkdir(parents=True, exist_ok=True)
    with LIST.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([Dependency._fields, *dependencies])
    sys.stdout.write(f"{LIST.relative_to(PROJECT)}: {len(dependencies)} packages\n")
    if (pip_audit := shutil.which("pip-audit")) is None:
        sys.stdout.write("pip-audit is not installed (`pipx install pip-audit`): the list stands\n")
        return 0
    asked = [pip_audit, "--no-deps", "--disable-pip", "--requirement", str(RUN_LOCK)]
    return subprocess.run(asked, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
