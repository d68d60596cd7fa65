"""The house rules: style, types, which room may import what, and what no file may name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
ROOMS = ("extract", "lake", "schemas", "flows")

MAY_IMPORT = {
    "schemas": {"schemas"},
    "extract": {"extract", "schemas"},
    "lake": {"lake", "schemas"},
    "flows": {"flows", "extract", "lake", "schemas"},
}
ONLY_IN = {
    "boto3": {"extract", "lake"},  # the lake on S3: pyarrow drops the conditions of a write
    "botocore": {"extract", "lake"},
    "duckdb": {"lake", "flows"},  # the flows' shell and answers take its connections and errors
    "prefect": {"flows"},
    "distributed": {"flows"},
}
PREFECT_FILES = {
    *("flows/snapshot.py", "flows/maintain.py", "flows/telling.py", "flows/on_dask.py"),
}
"""Where Prefect is imported when the module is; elsewhere only for a type or inside a function."""

LONG_FILES: dict[str, str] = {}
"""The files above 300 lines, each with the reason."""

NOWHERE = tuple(
    "".join(parts)
    for parts in (("pypi", ".org"), ("python", "hosted"), ("index", "-url"), ("uv", ".lock"))
)
"""A package index and its settings are the machine's own; the lock file has another name."""


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_style_and_types_hold(command: list[str]) -> None:
    tool = str(Path(sys.executable).with_name(command[0]))
    ended = subprocess.run(
        [tool, *command[1:]], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def modules(room: str) -> Iterator[Path]:
    """A room's Python files."""
    return (PROJECT / room).rglob("*.py")


@cache
def imported_by(path: Path) -> frozenset[str]:
    """The top names of everything that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the room"
            names.add(str(node.module).partition(".")[0])
    return frozenset(names)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    """flows → extract, lake → schemas; extract and lake never know each other."""
    wrong = {
        str(path.relative_to(PROJECT)): sorted(crossing)
        for path in modules(room)
        if (crossing := imported_by(path) & set(ROOMS) - MAY_IMPORT[room])
    }
    assert wrong == {}


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_stays_in_its_room(library: str) -> None:
    using = {room for room in ROOMS if any(library in imported_by(path) for path in modules(room))}
    assert using <= ONLY_IN[library]


def test_prefect_is_imported_by_the_flow_alone() -> None:
    """Anything else that imported it at once would cost every command its seconds."""
    using = {
        str(path.relative_to(PROJECT))
        for path in modules("flows")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
        if str(name).partition(".")[0] == "prefect"
    }
    assert using <= PREFECT_FILES


def test_a_file_is_short_or_has_a_reason() -> None:
    long = {
        str(path.relative_to(PROJECT))
        for room in ROOMS
        for path in modules(room)
        if len(path.read_text("utf-8").splitlines()) > 300
    }
    assert long <= set(LONG_FILES)


def test_no_file_names_a_package_index() -> None:
    """Of all files that are or would be under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is the developer's own
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git work tree: nothing says which files belong to the project")
    paths = [PROJECT / name for name in listed.stdout.split("\0") if name]
    assert len(paths) > 50
    naming = {
        (str(path.relative_to(PROJECT)), word)
        for path in paths
        if path.is_file()
        for word in NOWHERE
        if word.encode() in path.read_bytes()
    }
    assert naming == set()
