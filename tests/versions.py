"""The tests that a library can break, under the lowest and the newest versions that pyproject allows.

`python -m tests.versions [NAME…]` makes an environment for each below `.venv/versions`, as the package
index resolves it today, runs the tests with it, and ends with a table of what was used and how it went.
With `--brief` it is the lowest and the newest alone, and a few tests of each part that a library can
break; where the index is out of reach it says so and leaves them out.
"""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
ENVIRONMENTS: Final = PROJECT / ".venv" / "versions"
UV: Final = str(Path(sys.executable).with_name("uv"))

NAMES: Final = {
    "lowest": ("--resolution", "lowest-direct"),
    "newest": (),
    "duckdb-1.4.5": (),
    "duckdb-2.0.0": (),
}
"""What to make, and how uv is to resolve it."""
TOLD: Final = ("boto3", "botocore", "pyarrow", "duckdb", "prefect", "msgspec", "pydantic", "typer")
TOOLS: Final = ("pytest", "pytest-xdist", "hypothesis", "pandas")
"""What the tests take besides; the newest that fit."""
TESTS: Final = (
    *("decode", "reading", "differential", "drift", "flatten", "flatten_rows", "parse", "landing"),
    *("targets", "targets_refused", "pages", "pages_limits", "pages_resumed", "pages_trouble"),
    *("writer", "commit", "commit_records"),
    *("warehouse", "warehouse_replaced", "warehouse_newest_rows"),
    *("views", "history_views", "history_drawn", "snapshot_diff", "current", "effects", "checks"),
    *("statements", "answers", "answers_parquet", "query_errors"),
    *("cli", "cli_mistakes", "cli_sql", "parameters", "alerts", "digest", "flow"),
)


OUT_OF_REACH: Final = "Failed to fetch"
"""What uv says where it cannot ask the index; of versions that go together nowhere it says so."""
BRIEF: Final = ("lowest", "newest")
BRIEF_TESTS: Final = (
    *(
        "decode",
        "reading",
        "landing",
        "flatten",
        "flatten_rows",
        "drift",
        "parse",
        "targets",
        "pages",
    ),
    *("writer", "statements", "views", "parameters", "flow", "snapshot_diff"),
)


def constraints(name: str) -> list[str]:
    """What is pinned besides: the library that an environment is named for; botocore as boto3."""
    if name.startswith("duckdb-"):
        return [name.replace("-", "==")]
    if name != "lowest":
        return []
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    (boto3,) = [d for d in project["dependencies"] if d.startswith("boto3>=")]
    return [f"botocore=={boto3.removeprefix('boto3>=').partition(',')[0]}"]


def make(name: str) -> Path:
    """The environment's interpreter; what was there before is brought up to today."""
    root = ENVIRONMENTS / name
    root.mkdir(parents=True, exist_ok=True)
    python, pins = root / "bin" / "python", root / "pins.txt"
    limits = root / "constraints.txt"
    limits.write_text("\n".join(constraints(name)))
    if not python.exists():
        _run(sys.executable, "-m", "venv", "--without-pip", str(root))
    _run(
        *(UV, "pip", "compile", "--quiet", "--upgrade", "--no-header", "--no-annotate"),
        *("--python", str(python), "-c", str(limits), "-o", str(pins), "--extra", "otel"),
        *(*NAMES[name], "pyproject.toml"),
    )
    install = (UV, "pip", "install", "--quiet", "--python", str(python))
    _run(*install, "-r", str(pins), *TOOLS)
    _run(*install, "--no-deps", "--editable", ".")
    return python


def try_out(name: str, *, is_brief: bool = False) -> tuple[bool, str]:
    """Whether the tests pass in the environment, and which versions it has."""
    try:
        python = make(name)
    except subprocess.CalledProcessError as error:
        if not is_brief or OUT_OF_REACH not in error.stderr:
            raise
        return True, "LEFT OUT: the package index is out of reach"
    found = _run(str(python), "-c", _VERSIONS, *TOLD)
    files = [f"tests/test_{test}.py" for test in (BRIEF_TESTS if is_brief else TESTS)]
    marked = "not long and not slow" if is_brief else "not long"
    asked = [str(python), "-m", "pytest", "-n", "auto", "--dist", "loadfile", "-m", marked]
    ended = subprocess.run([*asked, *files], cwd=PROJECT, check=False)
    return ended.returncode == 0, found.strip()


def main(names: Sequence[str], *, is_brief: bool) -> int:
    """Tries the environments; 1 where a test failed in one."""
    names = names or (BRIEF if is_brief else tuple(NAMES))
    told = {name: try_out(name, is_brief=is_brief) for name in names}
    for name, (is_good, versions) in told.items():
        sys.stdout.write(f"{name:<13} {'passed' if is_good else 'FAILED'}  {versions}\n")
    return 0 if all(is_good for is_good, _ in told.values()) else 1


def _run(*command: str) -> str:
    ended = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    sys.stderr.write(ended.stderr)
    ended.check_returncode()
    return ended.stdout


_VERSIONS: Final = """
import sys
from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in sys.argv[1:]), sep=", ")
"""

if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main([name for name in given if name != "--brief"], is_brief="--brief" in given))
