"""What the README shows is what the project does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from extract.emulator import Emulator
from extract.emulator.faults import KEYS
from flows.cli import app
from flows.loading import load_parameters
from flows.parameters import AccountParameters, SnapshotParameters
from flows.pipeline import take_snapshot
from flows.questions import README, questions
from flows.upkeep_parameters import MaintainParameters
from lake.warehouse import connect
from schemas.view import COLUMNS
from tests.readme import (
    SCHEMAS,
    code_blocks,
    found_columns,
    run_demo,
    section,
    with_demo,
    with_generated_parts,
    written_columns,
)

TEXT = README.read_text()
_SECONDS = re.compile(r"[0-9]+\.[0-9] s$", re.MULTILINE)


def test_generated_parts_are_up_to_date() -> None:
    """The dictionary, the views and the commands' options are those of the code."""
    assert with_generated_parts(TEXT) == TEXT


def test_the_views_columns_are_those_that_duckdb_finds() -> None:
    """Else a view would be planned over stand-ins that it does not find when it is asked."""
    assert SCHEMAS.joinpath(COLUMNS).read_text() == written_columns(found_columns())


@pytest.mark.long
def test_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """`make demo` takes the same history and gives the same answers, but for the seconds."""
    shown = with_demo(TEXT, run_demo(tmp_path / "demo"))
    assert _SECONDS.sub("", shown) == _SECONDS.sub("", TEXT)
    assert all(question.answer for question in questions())


def test_commands_shown_are_commands() -> None:
    """Each `imagelake` line in the README names a command and options that there are."""
    commands = get_command(app)
    shown = re.findall(r"^\$ .venv/bin/imagelake ((?:.*\\\n)*.*)", TEXT, re.MULTILINE)
    assert len(shown) > 5
    for line in shown:
        name, *arguments = shlex.split(line.replace("\\\n", " ").removesuffix("&"))
        command = commands.commands[name]  # type: ignore[attr-defined]  # typer's group has them
        with command.make_context(name, arguments):
            pass


def test_toml_shown_is_read(tmp_path: Path) -> None:
    """The README's blocks of a file of parameters make one together, of all commands."""
    config = tmp_path / "imagelake.toml"
    run, accounts, maintain = blocks("toml")
    config.write_text(run + maintain + accounts)
    kept = load_parameters(MaintainParameters, {}, config, {})
    assert (kept.keep_days, kept.keep_monthly, kept.keep_raw_days) == (90, 24, 400)
    parameters = load_parameters(SnapshotParameters, {}, config, {})
    assert parameters.region == ["eu-west-1", "us-east-1"]
    assert parameters.accounts == [
        AccountParameters(
            role_arn="arn:aws:iam::222233334444:role/imagelake", region=["eu-central-1"]
        )
    ]


def test_policy_shown_is_the_templates() -> None:
    """The README and the CloudFormation template grant the same actions."""
    policy, trust, _ = (json.loads(block) for block in blocks("json"))
    template = (README.parent / "data/aws/member-role.yaml").read_text()
    granted = re.findall(r"- ((?:imagebuilder|account|ec2):\w+)", template)
    assert policy["Statement"][0]["Action"] == granted
    assert trust["Statement"][0]["Action"] == "sts:AssumeRole"


def test_faults_shown_are_taken(start_emulator: Callable[..., Emulator]) -> None:
    """The README's file of faults is one, and each name that it tells is known."""
    faults = json.loads(blocks("json")[2])
    with start_emulator(faults=faults) as emulator:
        outcomes = TEXT.partition("`errors` is a list")[2].partition("Besides:")[0]
        for name in re.findall(r"`([a-z0-9_:]+)`", outcomes.replace("hang:SECONDS", "hang:1")):
            if name not in ("errors", "always"):
                emulator.set_faults("*", {"errors": [name]})
    told = re.findall(r"`([a-z_]+)`", TEXT.partition("Besides:")[2].partition("\n\n")[0])
    assert {*told, *(key for target in faults.values() for key in target)} == set(KEYS)


@pytest.mark.usefixtures("emulator")
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # DuckDB's use of pandas
def test_python_shown_reads_a_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block by itself, in a folder with the default lake; the last block reads the files."""
    monkeypatch.chdir(tmp_path)
    take_snapshot(SnapshotParameters())
    with connect() as warehouse:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return warehouse.execute(query).fetchall()

        plain, pandas, polars, alone, files = (run_python(block) for block in blocks("python"))
        failed = "select name, failure_step, error_message from failed_builds"
        assert sorted(plain["failed"], key=repr) == sorted(ask(failed), key=repr)
        assert len(plain["failed"]) > 1
        by_status = "select state_status, count(*) from current_builds group by all order by all"
        assert list(pandas["by_status"].items()) == ask(by_status)
        assert str(pandas["builds"]["created_at"].dtype).endswith(", UTC]")
        by_region = "select ami_region, count(*) from golden_amis group by all order by all"
        assert polars["by_region"].rows() == ask(by_region)
        assert alone["captured"] == ask("select region, captured_at from current_targets")
    assert len(files["files"]) == 1


def run_python(block: str) -> dict[str, Any]:
    """What a block of the README leaves behind."""
    left: dict[str, Any] = {}
    exec(block, left)  # noqa: S102 - the README's own lines
    return left


def test_template_passes_cfn_lint() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    subprocess.run([lint, README.parent / "data/aws/member-role.yaml"], check=True)


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language, but for those of BI tools, which test_drivers runs."""
    return code_blocks(TEXT.replace(section(TEXT, "BI tools"), ""), language)
