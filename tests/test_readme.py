"""What the README shows is what the project does."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

from typer.main import get_command

from flows.cli import app
from flows.parameters import load_parameters
from flows.questions import README, questions
from tests.readme import run_demo, with_demo, with_generated_parts

TEXT = README.read_text()
_SECONDS = re.compile(r"[0-9]+\.[0-9] s$", re.MULTILINE)


def test_generated_parts_are_up_to_date() -> None:
    """The dictionary, the views and the commands' options are those of the code."""
    assert with_generated_parts(TEXT) == TEXT


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
    """The README's file of parameters is one."""
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    config = tmp_path / "imagelake.toml"
    config.write_text(block)
    parameters = load_parameters({}, config, {})
    assert parameters.region == tomllib.loads(block)["region"]
    assert parameters.concurrency == 32
