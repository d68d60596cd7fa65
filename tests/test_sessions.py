"""Clients find their models wherever boto3 looks for them, and outlast a service's bad moment."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import botocore
import pytest
from botocore.exceptions import ClientError

from extract.errors import TargetError
from extract.sessions import Sessions
from tests.aws import answering, endpoint

PROJECT = Path(__file__).parents[1]
MODELS = Path(botocore.__file__).parent / "data"
MAKE = """
from botocore.exceptions import UnknownServiceError
from extract.sessions import Sessions
sessions = Sessions()
print(sessions.client("imagebuilder", "eu-west-1").can_paginate("list_image_build_versions"))
for service in ("own", "nowhere"):
    try:
        print(sessions.client(service, "eu-west-1").meta.service_model.service_id)
    except UnknownServiceError as error:
        print(error)
"""


def nothing(models: Path) -> None:
    """No models of the user's own, as on most machines."""


def a_file(models: Path) -> None:
    models.parent.mkdir()
    models.touch()


def own_models(models: Path) -> None:
    copytree(MODELS / "imagebuilder", models / "own")
    (models / "stray.json").touch()


@pytest.mark.parametrize("make", [nothing, a_file, own_models])
def test_clients_are_made_whatever_is_among_the_users_own_models(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / ".aws" / "models")
    ended = subprocess.run(
        [sys.executable, "-c", MAKE],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "HOME": str(tmp_path), "AWS_CONFIG_FILE": os.devnull},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    can_paginate, own, refusal = ended.stdout.splitlines()
    assert can_paginate == "True"
    assert (own == "imagebuilder") is (make is own_models)
    known = refusal.partition("Valid service names are: ")[2].split(", ")
    assert known == sorted(known)
    assert {"imagebuilder", "sts"} < set(known)
    assert not any(name.endswith(".json") for name in known)


@pytest.mark.parametrize("written", ["not-json", r"\377"])
def test_a_credential_process_that_writes_no_json_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """And not the endpoint, though botocore has the same exception for both."""
    script = tmp_path / "sign-in"
    script.write_text(f"#!/bin/sh\nprintf '{written}'\n")
    script.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {script}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.raises(
        TargetError, match=r"^credential_process: .*the JSON of credentials"
    ) as told:
        Sessions().client("imagebuilder", "eu-west-1")
    assert told.value.is_usage


CALLS: dict[str, tuple[str, bytes, bytes]] = {
    "sts": (
        "get_caller_identity",
        b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>",
        b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
    ),
    "account": ("list_regions", b"{}", b'{"__type": "AccessDenied"}'),
}
"""By service, a call of it, a good answer and a refusal."""


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def call(service: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", url)
    return getattr(Sessions().client(service, "eu-west-1"), CALLS[service][0])()


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("service", CALLS)
def test_a_service_that_is_away_for_a_second_is_asked_until_it_is_back(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_at: list[float] = []

    def answer(*_: object) -> tuple[int, bytes]:
        asked_at.append(time.monotonic())
        return (503, b"") if asked_at[-1] - asked_at[0] < 1 else (200, CALLS[service][1])

    with endpoint(answer) as url:
        call(service, url, monkeypatch)
    assert 2 <= len(asked_at) <= 5


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("service", CALLS)
def test_one_that_is_away_for_good_is_given_up(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extract.sessions._MOST_ATTEMPTS", 2)
    with answering(503, "") as url, pytest.raises(ClientError, match="503"):
        call(service, url, monkeypatch)


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("service", CALLS)
def test_a_refusal_is_not_asked_about_again(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(path: str, *_: object) -> tuple[int, bytes]:
        asked.append(path)
        return 403, CALLS[service][2]

    with endpoint(refuse) as url, pytest.raises(ClientError, match="AccessDenied"):
        call(service, url, monkeypatch)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("read_timeout", "attempts"), [(1.0, 1), (2.0, 2), (5.0, 3), (15.0, 4), (30.0, 5), (60.0, 5)]
)
def test_all_attempts_and_the_waits_between_them_take_no_longer_than_a_call_may(
    read_timeout: float, attempts: int
) -> None:
    """Wait number n is 2**n seconds at the most, the first being number 0."""
    given = Sessions(read_timeout=read_timeout).client("sts", "eu-west-1").meta.config
    assert given.retries == {"total_max_attempts": attempts, "mode": "legacy"}
    waited = sum(2**number for number in range(attempts - 1))
    assert given.connect_timeout <= given.read_timeout
    assert attempts * given.read_timeout + waited == pytest.approx(read_timeout)
    assert given.read_timeout >= 0.5
