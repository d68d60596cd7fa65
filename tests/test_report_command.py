"""`imagelake report` writes one file, or says in a line why it does not."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import closing
from importlib.machinery import PathFinder
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows import cli_report
from flows.parameters import ParameterError
from flows.report.reading import queries
from tests.command import run_command
from tests.reported import page_on
from tests.small_runs import small_lake, small_warehouse

__all__ = ["small_lake", "small_warehouse"]  # fixtures are used by their names


def imagelake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder; nothing ends in a traceback."""
    ended = run_command(arguments, folder)
    assert "Traceback" not in ended.stderr
    return ended


def test_the_command_writes_one_file_and_says_so(small_warehouse: Path, tmp_path: Path) -> None:
    ended = imagelake(tmp_path, "report", "--warehouse", str(small_warehouse))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(r"imagelake-report\.html: [0-9,]+ kB\n", ended.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["imagelake-report.html"]
    page = (tmp_path / "imagelake-report.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")


def test_the_command_reads_the_file_of_parameters(small_warehouse: Path, tmp_path: Path) -> None:
    config = tmp_path / "imagelake.toml"
    config.write_text(f'warehouse = "{small_warehouse}"\n')
    ended = imagelake(tmp_path, "report", "--config", str(config), "--out", "page.html")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "page.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--warehouse", "none.duckdb"], "--warehouse 'none.duckdb': there is none; "),
        (["--out", "."], "'.': there is something else than a file"),
        (["--out", "no/where.html"], "'no/where.html': cannot be written: its folder is not there"),
    ],
)
def test_a_mistake_is_one_line(
    small_warehouse: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    warehouse = ["--warehouse", str(small_warehouse)] if "--warehouse" not in arguments else []
    ended = imagelake(tmp_path, "report", *warehouse, *arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"imagelake: {says}")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_a_page_that_cannot_be_finished_leaves_the_old_one(
    small_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = page_on(small_warehouse, tmp_path)
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(OSError, match="No space left"):
        page_on(small_warehouse, tmp_path, is_interactive=True)
    assert (tmp_path / "report.html").read_text("utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create table t (a integer)")
    ended = imagelake(tmp_path, "report", "--warehouse", str(path))
    assert ended.returncode == 2
    assert ended.stderr.startswith("imagelake: the warehouse lacks what the report reads (")
    assert ended.stderr.endswith("; build it again with `imagelake publish`\n")


def test_without_its_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking(PathFinder):
        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
            return None if fullname == "altair" else super().find_spec(fullname, path, target)

    monkeypatch.setattr(sys, "meta_path", [Lacking])
    monkeypatch.delitem(sys.modules, "altair", raising=False)
    with pytest.raises(ParameterError) as caught:
        cli_report.report()
    assert str(caught.value) == "report: altair not installed; pip install 'imagelake[report]'"


def test_help_does_not_wait_for_the_chart_libraries() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows.cli", "report", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "flows.cli_report" in imported
    assert not {name.partition(".")[0] for name in imported} & {*cli_report._NEEDED, "duckdb"}


def test_the_package_carries_the_page_s_files() -> None:
    """Also where it is installed from a wheel, which holds whatever is in the package's folder."""
    names = {entry.name for entry in files("flows.report").iterdir()}
    assert {"page.html", "page.js", "style.css", "queries"} <= names
    assert len(queries()) == 25
