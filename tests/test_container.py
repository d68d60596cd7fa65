"""The image has what imagelake needs at run time and no more, and belongs to no root.

No container is started here: the files are read, and the build's own commands run in a folder.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
HOME = "/opt/imagelake"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what each says, in order."""
    lines = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    said = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, rest in said]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage."""
    made: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            made.append([])
        made[-1].append((word, rest))
    return made


def version_in(lock: str, package: str) -> str:
    (version,) = re.findall(rf"^{package}==(\S+)", (PROJECT / lock).read_text(), re.MULTILINE)
    return str(version)


def test_the_last_stage_is_slim_and_of_no_root() -> None:
    """It builds nothing: it copies what the stage before it installed."""
    build, last = stages()
    assert [rest for word, rest in last if word == "USER"] == ["10001"]
    assert [word for word, _ in last].index("USER") > max(
        place for place, (word, _) in enumerate(last) if word in ("RUN", "COPY")
    )
    assert not [rest for word, rest in last if word == "RUN" and re.search(r"\b(pip|apt)", rest)]
    assert ("COPY", f"--from=build {HOME} {HOME}") in last
    bases = {rest.split()[0] for stage in (build, last) for word, rest in stage if word == "FROM"}
    assert bases == {"python:3.11-slim-bookworm"}


def test_every_base_and_image_names_its_version() -> None:
    images = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    images += [service["image"] for service in compose()["services"].values()]
    assert [i for i in images if i.partition(":")[2] in ("", "latest")] == []


def test_the_run_lock_is_a_part_of_the_lock() -> None:
    """The container runs the versions that everything is tested with, and nothing of the tests."""
    pins = {
        lock: set(re.findall(r"^([\w.-]+==[^ ;]+)", (PROJECT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-run.lock")
    }
    assert pins["requirements-run.lock"] < pins["requirements.lock"]
    names = {pin.partition("==")[0] for pin in pins["requirements-run.lock"]}
    assert names & {"pytest", "moto", "mypy", "ruff", "playwright", "awscli", "pandas"} == set()


def compose() -> Any:
    return yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())


def test_the_services_heal_and_keep_what_they_have() -> None:
    """The server and the worker restart, are asked for their health, and write to volumes."""
    services = compose()["services"]
    assert list(services) == ["server", "deploy", "worker"]
    for name in ("server", "worker"):
        assert services[name]["restart"] == "unless-stopped"
        assert services[name]["healthcheck"]["test"][:3] == ["CMD", "python", "-c"]
        compile(services[name]["healthcheck"]["test"][3], name, "exec")
    mounted = {v.partition(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert mounted == set(compose()["volumes"])
    assert services["server"]["ports"] == ["127.0.0.1:4200:4200"]
    assert services["worker"]["depends_on"] == {
        "deploy": {"condition": "service_completed_successfully"}
    }


def test_prefects_version_is_the_locks() -> None:
    version = version_in("requirements.lock", "prefect")
    assert yaml.safe_load((PROJECT / "prefect.yaml").read_text())["prefect-version"] == version
    assert {s["image"] for s in compose()["services"].values()} == {f"imagelake:{version}"}


def test_an_image_is_made_of_what_docker_is_sent() -> None:
    """.dockerignore lets every copied file in, and none of the lake, the tests or git."""
    ignored, *allowed = [
        line
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if not line.startswith(("#", "**"))
    ]
    assert ignored == "*"
    assert {name.removeprefix("!") for name in allowed} == set(copied())


def copied() -> Iterator[str]:
    """The names of the project's files and folders that the stages copy."""
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            yield from rest.split()[:-1]


@pytest.mark.long  # a minute of installing
def test_the_builds_steps_install_it(tmp_path: Path) -> None:
    """The Dockerfile's own RUN lines, in another folder: no build tool is left, and it runs."""
    source, home = tmp_path / "src", tmp_path / "imagelake"
    source.mkdir()
    for name in copied():
        whole, into = PROJECT / name, source / name
        shutil.copytree(whole, into) if whole.is_dir() else shutil.copy(whole, into)
    for word, rest in stages()[0]:
        if word == "RUN":
            command = rest.replace(HOME, str(home)).replace(
                "python -m venv", f"{sys.executable} -m venv"
            )
            subprocess.run(command, shell=True, check=True, cwd=source)  # noqa: S602 - the Dockerfile's own line
    said = [
        subprocess.run(
            [home / "bin" / name, *words], capture_output=True, text=True, check=True
        ).stdout
        for name, *words in (("imagelake", "--version"), ("prefect", "--version"))
    ]
    assert said[0].startswith("imagelake ")
    assert said[1].strip() == version_in("requirements-run.lock", "prefect")
    left = {path.name.partition("-")[0] for path in home.glob("lib/*/site-packages/*.dist-info")}
    assert left & {"pip", "setuptools", "hatchling", "trove_classifiers", "pytest"} == set()
