"""The image has what imagelake needs at run time and no more, and belongs to no root.

No container is started here: the files are read, and the build's own commands run in a folder.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.deploying import settings_of, with_secrets
from flows.parameters import ParameterError, SnapshotParameters
from flows.upkeep_parameters import MaintainParameters

PROJECT = Path(__file__).parents[1]
HOME = "/opt/imagelake"
ROLE = "arn:aws:iam::222233334444:role/imagelake"
EXTERNAL_ID = "IMAGELAKE_EXTERNAL_ID"


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


class Asked(Mapping[str, str]):
    """An environment that tells which variables it was asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def image_environment() -> dict[str, str]:
    (said,) = (rest for word, rest in stages()[1] if word == "ENV")
    return dict(pair.split("=", 1) for pair in said.split())


def given_to(service: str, host: Mapping[str, str]) -> dict[str, str]:
    """The variables that a service's container has, of the image, the compose file and the host.

    One without a value is the host's; where the host has none it is unset, the image's own too:
    https://docs.docker.com/reference/compose-file/services/#environment
    """
    made = image_environment()
    for name, value in compose()["services"][service]["environment"].items():
        said = host.get(name) if value is None else interpolated(value, host)
        if said is None:
            made.pop(name, None)
        else:
            made[name] = said
    return made


def interpolated(value: str, host: Mapping[str, str]) -> str:
    """The value with each `${NAME:-default}` as the host has it."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: host.get(found[1]) or found[2], value)


def imagelakes(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name.startswith("IMAGELAKE_")}


def test_every_setting_reaches_the_services() -> None:
    """What a deployment is made of is asked of its environment: no name is missing, none more.

    The server shows what is deployed, so the external id is with the worker alone.
    """
    asked = Asked(given_to("deploy", {}))
    settings_of(asked)
    fields = {**SnapshotParameters.model_fields, **MaintainParameters.model_fields}
    assert {f"IMAGELAKE_{name.upper()}" for name in fields} < asked.names
    host = {name: f"the host's {name}" for name in asked.names}
    assert imagelakes(given_to("worker", host)) == host
    assert given_to("deploy", host).get(EXTERNAL_ID) is None
    assert imagelakes(given_to("deploy", host)) | {EXTERNAL_ID: host[EXTERNAL_ID]} == host


@pytest.mark.parametrize("service", ["deploy", "worker"])
def test_what_the_host_leaves_out_is_unset(service: str) -> None:
    """Not empty, which would be a value; the image's places are those in the volume."""
    places = {"IMAGELAKE_LAKE": "/lake/lake", "IMAGELAKE_WAREHOUSE": "/lake/imagelake.duckdb"}
    assert imagelakes(image_environment()) == places
    assert imagelakes(given_to(service, {})) == {**places, "IMAGELAKE_REGION": "all"}


def test_the_hosts_settings_are_deployed() -> None:
    """What `maintain` is told to keep beyond its days, above all."""
    host = {
        "IMAGELAKE_LAKE": "s3://bucket/lake",
        "IMAGELAKE_EXCLUDE_REGION": "eu-west-3",
        "IMAGELAKE_REQUIRED_TAG": "Team,CostCenter",
        "IMAGELAKE_KEEP_DAYS": "90",
        "IMAGELAKE_KEEP_MONTHLY": "24",
        "IMAGELAKE_TIMEZONE": "Europe/Berlin",
    }
    places = {"lake": "s3://bucket/lake", "warehouse": "/lake/imagelake.duckdb"}
    asked = {"exclude_region": ["eu-west-3"], "required_tag": ["Team", "CostCenter"]}
    assert settings_of(given_to("deploy", host)) == {
        "snapshot": {**places, "region": ["all"], **asked},
        "maintain": {**places, "keep_days": 90, "keep_monthly": 24},
        "cron": "0 2 * * *",
        "maintain_cron": "0 5 * * 0",
        "timezone": "Europe/Berlin",
    }


def test_external_ids_are_the_workers() -> None:
    """A run takes them from there; what is deployed has none."""
    accounts = f'[{{"role_arn": "{ROLE}", "external_id": "of-one"}}]'
    host = {EXTERNAL_ID: "of-all", "IMAGELAKE_ACCOUNTS": accounts}
    deployed = settings_of(given_to("deploy", host))
    assert deployed["snapshot"]["accounts"] == [{"role_arn": ROLE}]
    assert "of-" not in repr(deployed)

    given = SnapshotParameters.model_validate(deployed["snapshot"])
    run = with_secrets(given, given_to("worker", host))
    ids = [run.external_id, *(account.external_id for account in run.accounts)]
    assert [secret and secret.get_secret_value() for secret in ids] == ["of-all", "of-one"]


def test_a_file_that_is_not_mounted_is_refused(tmp_path: Path) -> None:
    """Its settings would be missing without a word."""
    missing = str(tmp_path / "imagelake.toml")
    with pytest.raises(ParameterError, match=f"^--config '{missing}': No such file"):
        settings_of(given_to("deploy", {"IMAGELAKE_CONFIG": missing}))


def test_aws_is_the_workers() -> None:
    """It alone has credentials, and the endpoints that the README names."""
    endpoints = set(re.findall(r"AWS_ENDPOINT_URL\w*", (PROJECT / "README.md").read_text()))
    host = dict.fromkeys(endpoints | {"AWS_REGION", "AWS_DEFAULT_REGION"}, "the host's")
    assert host.items() <= given_to("worker", host).items()
    assert [name for name in given_to("deploy", host) if name.startswith("AWS_")] == []


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
