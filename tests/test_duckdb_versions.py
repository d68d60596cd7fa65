"""A warehouse is read alike by DuckDB 1.4 to 2.0, whichever of them wrote it.

The other versions live in environments of their own, made on demand beside the project's and kept.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest

from flows.report.reading import queries as report_queries
from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import publish
from schemas.view import macros, views
from tests.filtered_history import write_history
from tests.many_runs import KEYS, many_runs, many_written, newest_query
from tests.small_history import DAYS
from tests.small_runs import small_lake, small_warehouse, write_small_history
from tests.test_analysis_drawn import write_random_history

__all__ = [
    "many_runs",
    "many_written",
    "small_lake",
    "small_warehouse",
]  # fixtures are used by their names

PROJECT = Path(__file__).parents[1]
OTHER_VERSIONS = ("1.4.5", "2.0.0")
AS_OF = ("builds_as_of", "amis_as_of")
MOMENTS = ("2025-11-18", "2025-11-19 23:30", "2025-11-20T04:00:00+05:00", "2025-11-20")
FAR = "2026-04-01"  # compared with the first whole, not by what differed in between
NO_INDEX = ("No matching distribution", "ConnectionError", "NewConnectionError", "ConnectTimeout")

PUBLISH = """
import sys
from pathlib import Path
from lake.location import open_folder
from lake.warehouse import publish
assert publish(open_folder(sys.argv[1]), Path(sys.argv[2]))
"""
ANSWER = """
import duckdb, json, sys
queries, is_of_views = json.load(sys.stdin)
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("set timezone = 'UTC'")
connection.execute("set enable_progress_bar = false")  # 1.4 prints it among the answers
views = [name for (name,) in connection.execute(
    "select if(schema_name = 'main', '', schema_name || '.') || view_name "
    "from duckdb_views() where not internal order by all").fetchall()]
exact = dict.fromkeys(  # what goes by the clock to a tenth of an hour
    ("target_freshness", "bi.target_freshness"), "* exclude (age_hours)")
if is_of_views:
    queries += [
        f"select {exact.get(name, '*')} from {name}" for name in views if name != "warehouse_info"]
answers = {query: sorted(map(repr, connection.execute(query).fetchall())) for query in queries}
json.dump({"version": duckdb.__version__, "answers": answers}, sys.stdout)
"""
COMMAND = """
import sys
sys.path.append(sys.argv.pop(1))  # where all but DuckDB is
from flows.starting import main
main()
"""
EFFECTS = """
import sys
from datetime import date
from pathlib import Path
from lake.effects import effects, shown_before
warehouse, day = Path(sys.argv[1]), date.fromisoformat(sys.argv[2])
before = shown_before(warehouse, day)
print(before.golden.num_rows, effects(warehouse, day, None), effects(warehouse, day, before))
"""


def python_with(version: str) -> str:
    """The interpreter of an environment with that DuckDB; made where it is not there yet."""
    if version == duckdb.__version__:
        return sys.executable
    root = PROJECT / ".venv" / f"duckdb-{version}"
    ready = root / ".ready"
    python = root / "bin" / "python"
    if not ready.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(root)])
        packages = [f"duckdb=={version}", "pytz", f"pyarrow=={pyarrow.__version__}"]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = subprocess.run(
            [*pip, "--retries", "1", *packages], capture_output=True, text=True, check=False
        )
        if installed.returncode and any(words in installed.stderr for words in NO_INDEX):
            pytest.skip(f"pip cannot get DuckDB {version}: {installed.stderr.strip()[-300:]}")
        assert installed.returncode == 0, installed.stderr
        ready.touch()
    return str(python)


def _run(command: list[str], text: str = "") -> str:
    ended = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def answers_of(
    version: str, warehouse: Path, queries: list[str], *, is_of_views: bool = True
) -> dict[str, Any]:
    """By query, its rows as that DuckDB gives them; those of every view besides."""
    asked = json.dumps([queries, is_of_views])
    output = _run([python_with(version), "-c", ANSWER, str(warehouse)], asked)
    result: dict[str, Any] = json.loads(output)
    assert result["version"] == version
    answers: dict[str, Any] = result["answers"]
    return answers


@pytest.fixture(
    scope="module",
    params=[pytest.param(write_history, marks=pytest.mark.long), write_small_history],
)
def history_lake(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Folder:
    folder = open_folder(str(tmp_path_factory.mktemp("history") / "the lake's [1]"))
    request.param(folder)
    return folder


@pytest.fixture(scope="module")
def ours(history_lake: Folder) -> Path:
    """The history's warehouse, as the installed DuckDB writes it."""
    path = history_lake.root.with_name("imagelake.duckdb")
    publish(history_lake, path)
    return path


@pytest.fixture(scope="module")
def expected(ours: Path) -> dict[str, Any]:
    """What the installed DuckDB answers, by its own warehouse."""
    return answers_of(duckdb.__version__, ours, examples())


def examples() -> list[str]:
    """Each view's and macro's example, the macros over the history's dates, the report's queries."""
    calls = [f"from {macro}('{day}')" for macro in AS_OF for day in MOMENTS]
    last = MOMENTS[-1]
    calls += [f"from snapshot_diff('{MOMENTS[0]}', '{to}')" for to in (last, FAR)]
    asked = [view.example for view in (*views(), *macros())]
    return [*asked, *calls, *report_queries().values()]


@pytest.mark.parametrize("version", [pytest.param("1.4.5", marks=pytest.mark.slow), "2.0.0"])
def test_our_warehouse_is_read_alike_by_another_version(
    ours: Path, expected: dict[str, Any], version: str
) -> None:
    """Every view, every example query and every query of the report gives the same rows."""
    assert answers_of(version, ours, examples()) == expected
    assert len(expected["select * from current_builds"]) in (14, 16)
    assert all(found for query, found in expected.items() if query.startswith("from "))


@pytest.mark.parametrize("version", [pytest.param("1.4.5", marks=pytest.mark.slow), "2.0.0"])
def test_the_command_ends_without_a_word_with_another_version(ours: Path, version: str) -> None:
    """DuckDB 2 tells at Python's end of each of its objects that nothing has collected."""
    libraries = str(Path(duckdb.__file__).parents[1])
    asked = ["sql", "select version() as v", "--format", "csv", "--warehouse", str(ours)]
    said = _run([python_with(version), "-c", COMMAND, libraries, *asked])
    assert said == f"v\nv{version}\n"


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_what_a_run_changed_is_told_alike_by_another_version(
    small_warehouse: Path, version: str
) -> None:
    asked = ["-c", EFFECTS, str(small_warehouse), str(DAYS[4])]
    expected = _run([sys.executable, *asked])
    assert expected.count("NewFailure(") == 1
    assert _run([python_with(version), *asked]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_a_warehouse_that_another_version_writes_is_read_alike_by_ours(
    history_lake: Folder, expected: dict[str, Any], version: str
) -> None:
    theirs = history_lake.root.with_name(f"written by {version}.duckdb")
    _run([python_with(version), "-c", PUBLISH, history_lake.uri, str(theirs)])
    assert answers_of(duckdb.__version__, theirs, examples()) == expected
    assert publish(history_lake, theirs) is False


@pytest.mark.long
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_every_view_of_a_random_history_is_the_same_in_another_version(
    tmp_path: Path, version: str
) -> None:
    """Without the examples: of rows that tie, each version may show others first."""
    folder = open_folder(str(tmp_path / "lake"))
    write_random_history(folder, 2)
    path = tmp_path / "random.duckdb"
    publish(folder, path)
    expected = answers_of(duckdb.__version__, path, [])
    assert answers_of(version, path, []) == expected
    filled = {query.rpartition(" ")[2] for query, found in expected.items() if found}
    assert {"build_sprawl", "container_images", "failure_hotspots"} <= filled


NEWEST = [newest_query(view) for view in KEYS]


@pytest.fixture(scope="module")
def many(many_runs: Folder) -> tuple[Path, dict[str, Any]]:
    """Their warehouse, and what the installed DuckDB answers."""
    path = many_runs.root.with_name("many.duckdb")
    publish(many_runs, path)
    return path, answers_of(duckdb.__version__, path, NEWEST, is_of_views=False)


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_the_newest_rows_are_the_same_in_another_version(
    many: tuple[Path, dict[str, Any]], version: str
) -> None:
    """All columns of the newest row of each key: ours are checked against plain Python."""
    path, expected = many
    assert answers_of(version, path, NEWEST, is_of_views=False) == expected
