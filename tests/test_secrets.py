"""No secret leaves the process but towards AWS: not in a log, a file, a line or Prefect's records.

The run is logged at DEBUG, AWS's own library included, and reads targets of which some fail. What
botocore itself logs at that level holds secrets; it tells which ones the endpoint gave out.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.landing import landed_pages
from flows.parameters import SnapshotParameters
from lake.warehouse import connect
from schemas.tables import TABLES

ONE, TWO, THREE = ACCOUNTS
EXTERNAL_IDS = ("external-s3cret-of-all", "external-s3cret-of-two", "external-s3cret-of-nobody")
OF_ALL, OF_TWO, OF_NOBODY = EXTERNAL_IDS
KEY, TOKEN = "s3cret/Access+Key==", "s3cret-Session+Token/=="
LIBRARIES = ("botocore", "boto3", "urllib3")

LOGGED_MAIN = """
import json, logging, sys

class ToFile(logging.Handler):
    def emit(self, record):
        log.write(json.dumps([record.name, self.format(record)]) + "\\n")

log = open(sys.argv.pop(1), "w")
logging.basicConfig(level=logging.DEBUG, handlers=[ToFile()])
from flows.cli import main
main()
"""
"""The command line with everything that is logged, by logger, in a file."""


@dataclass(frozen=True)
class Ran:
    """What a command said, and each message of its log with its logger."""

    status: int
    said: str
    log: list[tuple[str, str]]

    def logged_by(self, *, libraries: bool) -> str:
        """All messages of AWS's library, or all others."""
        return "\n".join(
            message
            for logger, message in self.log
            if (logger.partition(".")[0] in LIBRARIES) == libraries
        )


@pytest.fixture
def config(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A run's file: three accounts by roles, each with trouble of its own in some region."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    emulator.set_faults(f"{ONE}/*", {"external_id": OF_ALL})
    emulator.set_faults(f"{TWO}/*", {"external_id": OF_TWO})
    emulator.set_faults(f"{THREE}/*", {"external_id": "another"})
    for region, trouble in zip(REGIONS, ("access_denied", "expired_token", "html"), strict=False):
        emulator.set_faults(f"{ONE}/{region}", {"errors": [trouble]})
    roles = [f"arn:aws:iam::{account}:role/imagelake" for account in ACCOUNTS]
    path = tmp_path / "imagelake.toml"
    path.write_text(
        f'lake = "{tmp_path}/lake"\nwarehouse = "{tmp_path}/imagelake.duckdb"\n'
        f'role-arn = ["{roles[0]}"]\nexternal-id = "{OF_ALL}"\nregion = {list(REGIONS)}\n'
        f'[[accounts]]\nrole-arn = "{roles[1]}"\nexternal-id = "{OF_TWO}"\n'
        f'[[accounts]]\nrole-arn = "{roles[2]}"\nexternal-id = "{OF_NOBODY}"\n'
    )
    return path


def run(config: Path, command: str, log: Path) -> Ran:
    ended = subprocess.run(
        [sys.executable, "-c", LOGGED_MAIN, str(log), command, "--config", str(config)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    messages = [(name, text) for name, text in map(json.loads, log.read_text().splitlines())]
    return Ran(ended.returncode, ended.stdout + ended.stderr, messages)


def minted(log: str) -> set[str]:
    """The secrets that AssumeRole gave out, as botocore's own log tells them."""
    return set(re.findall(r"<(?:SecretAccessKey|SessionToken)>([^<]+)<", log))


def held(folder: Path, warehouse: Path) -> str:
    """Everything that a lake and its warehouse hold: bytes, landed bodies, and all rows."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    content = [path.read_bytes() for path in (*files, warehouse)]
    content += [
        page.read_body()
        for landing in {path.parent for path in files if path.suffix == ".arrows"}
        for page in landed_pages(landing)
    ]
    with connect(warehouse) as connection:
        rows = [repr(connection.table(name).fetchall()) for name in TABLES]
    return "\n".join([*(part.decode("latin-1") for part in content), *rows])


def test_a_run_that_is_logged_to_the_last_detail_gives_nothing_away(
    config: Path, tmp_path: Path
) -> None:
    """Neither in its own messages and lines, nor in what it keeps."""
    ran = run(config, "run", tmp_path / "log")
    assert ran.status == 3
    by_botocore = ran.logged_by(libraries=True)
    secrets = {KEY, TOKEN, *EXTERNAL_IDS} | minted(by_botocore)
    assert len(minted(by_botocore)) == 2 * 2  # two roles could be assumed
    assert OF_NOBODY in by_botocore  # so the log is as detailed as it gets
    kept = held(tmp_path / "lake", tmp_path / "imagelake.duckdb")
    for secret in secrets:
        assert secret not in ran.said
        assert secret not in ran.logged_by(libraries=False)
        assert secret not in kept
    assert f"{THREE}/{REGIONS[0]} failed: AccessDenied on AssumeRole" in ran.said


def test_a_trial_gives_nothing_away(config: Path, tmp_path: Path) -> None:
    ran = run(config, "check", tmp_path / "log")
    assert ran.status == 1
    secrets = {KEY, TOKEN, *EXTERNAL_IDS} | minted(ran.logged_by(libraries=True))
    assert len(secrets) > 5
    for secret in secrets:
        assert secret not in ran.said + ran.logged_by(libraries=False)


# What Prefect keeps


@pytest.fixture
def parameters() -> SnapshotParameters:
    return SnapshotParameters.model_validate(
        {
            "external_id": OF_ALL,
            "accounts": [{"role_arn": f"arn:aws:iam::{TWO}:role/imagelake", "external_id": OF_TWO}],
        }
    )


def masked(stored: Any) -> None:
    """Both external ids are there, neither to be read."""
    text = stored if isinstance(stored, str) else json.dumps(stored)
    assert text.count("**********") == 2
    assert "s3cret" not in text


def test_the_parameters_that_a_snapshot_keeps_are_masked(parameters: SnapshotParameters) -> None:
    masked(parameters.to_json())
    masked(parameters.model_dump_json())
    assert "s3cret" not in repr(parameters) + str(parameters.model_dump())


def test_the_parameters_that_prefect_stores_are_masked(parameters: SnapshotParameters) -> None:
    """As the flow itself serializes them for its server; the run still gets the real ones."""
    from flows.snapshot import snapshot  # takes seconds: it imports Prefect

    masked(snapshot.serialize_parameters({"parameters": parameters}))
    assert snapshot.validate_parameters({"parameters": parameters}) == {"parameters": parameters}
