"""`imagelake sql` on a terminal of its own, over a warehouse without a row."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lake.location import open_folder
from lake.warehouse import publish
from tests.command import IMAGELAKE
from tests.terminal import Terminal

PROMPT = "imagelake>"
CTRL_C, CTRL_D, UP, ENTER, TAB = "\x03", "\x04", "\x1b[A", "\r", "\t"
Shell = Callable[..., Terminal]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shell")
    publish(open_folder(str(folder / "lake")), folder / "imagelake.duckdb")
    return folder / "imagelake.duckdb"


@pytest.fixture
def shell(warehouse: Path, tmp_path: Path) -> Iterator[Shell]:
    """Starts `imagelake sql` on a terminal, in the test's folder."""
    with ExitStack() as running:

        def start(*arguments: str, columns: int = 100, stdout: int | None = None) -> Terminal:
            command = [IMAGELAKE, "sql", "--warehouse", str(warehouse), *arguments]
            environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
            terminal = Terminal(command, tmp_path, environment, columns, stdout)
            return running.enter_context(terminal)

        yield start


def ask(terminal: Terminal, typed: str) -> str:
    """Types, and returns what is shown until the next prompt.

    A busy machine echoes what is typed before the prompt is there, which then draws it anew.
    """
    last = typed.rpartition("\n")[2]
    terminal.type(typed + ENTER)
    terminal.sees(last)
    shown = terminal.sees("\n" + PROMPT)
    _, is_drawn_anew, after = shown.partition(f"{PROMPT} {last}")
    return after if is_drawn_anew else shown
