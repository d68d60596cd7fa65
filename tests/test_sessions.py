"""Clients find their models by the folders of services, wherever boto3 looks for them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import botocore
import pytest

from extract.errors import TargetError
from extract.sessions import Sessions

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
