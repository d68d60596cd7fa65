"""The files of an export are of one instant, each whole or not there at all, whatever happens."""

import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import flows.exporting
from flows.answers import write_answer
from flows.exporting import export
from flows.formats import FileFormat
from flows.parameters import ParameterError
from flows.query_errors import QueryError
from lake.folder import Folder
from lake.warehouse import connect, publish
from tests.command import IMAGELAKE, Command
from tests.committed import of_builds
from tests.small_runs import history, small_lake, small_warehouse
from tests.test_disk_faults import disk, leave_free
from tests.test_writer import DAY, commit_rows

__all__ = [
    "disk",
    "history",
    "small_lake",
    "small_warehouse",
]  # fixtures by their names
TWO = ("bi.tags", "bi.targets")
REMOVED = 'IO Error: Cannot open file "/lake/image_builds/snapshot_date=2025-11-20/a.parquet"'


def silent(_: str) -> None:
    """Says nothing."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def before(history: duckdb.DuckDBPyConnection, tmp_path: Path) -> dict[str, bytes]:
    """What an export writes to the folder `out`, in which other files of its names are now."""
    out = tmp_path / "out"
    export(history, out, FileFormat.CSV, TWO, silent)
    written = contents(out)
    for path in out.iterdir():
        path.write_text("of before")
    return written


def failing(error: Exception, times: int) -> Any:
    """`write_answer`, which fails so many times at the second view."""
    left = [times]

    def write(connection: duckdb.DuckDBPyConnection, query: str, *given: Any, **named: Any) -> Any:
        if query == f"from {TWO[1]}" and left[0]:
            left[0] -= 1
            raise error
        return write_answer(connection, query, *given, **named)

    return write


@pytest.mark.slow
def test_files_of_before_stay_until_all_are_whole(
    history: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    before: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where one cannot be read none is replaced, and nothing is left beside them."""
    out = tmp_path / "out"
    broken = duckdb.InvalidInputException("Invalid Input Error: it is\nbroken")
    monkeypatch.setattr(flows.exporting, "write_answer", failing(broken, 1))
    with pytest.raises(QueryError) as refused:
        export(history, out, FileFormat.CSV, TWO, silent)
    assert str(refused.value) == "nothing was exported: Invalid Input Error: it is broken"
    assert contents(out) == dict.fromkeys(before, b"of before")
    export(history, out, FileFormat.CSV, TWO, silent)
    assert contents(out) == before


@pytest.mark.slow
def test_all_are_read_again_where_clean_up_took_a_file(
    history: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    before: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ones that were written too, so that they agree."""
    said: list[str] = []
    monkeypatch.setattr(flows.exporting, "write_answer", failing(duckdb.IOException(REMOVED), 2))
    export(history, tmp_path / "out", FileFormat.CSV, TWO, said.append)
    assert contents(tmp_path / "out") == before
    first, second = (tmp_path / "out" / f"{name}.csv" for name in TWO)
    assert said == [f"{first}: 3 rows", f"{second}: 5 rows"]


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_all_are_of_one_instant(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that is taken while they are written is in none of them."""
    commit_rows(folder, DAY, of_builds("a"))
    publish(folder, tmp_path / "asked.duckdb")
    said: list[str] = []
    days = [DAY + timedelta(days=1)]

    def commit_meanwhile(*given: Any, **named: Any) -> Any:
        count = write_answer(*given, **named)
        if days:
            commit_rows(folder, days.pop(), of_builds("a", "b"))
        return count

    monkeypatch.setattr(flows.exporting, "write_answer", commit_meanwhile)
    names = ["current_builds", "bi.builds", "current_targets", "last_known_builds"]
    with connect(tmp_path / "asked.duckdb") as connection:
        for _ in range(2):
            export(connection, tmp_path / "out", FileFormat.PARQUET, names, said.append)
    counts = [line.partition(": ")[2] for line in said]
    assert not days
    assert counts == [*["1 row"] * 4, "2 rows", "2 rows", "1 row", "2 rows"]


def test_a_file_is_told_of_when_it_is_in_its_place(
    history: duckdb.DuckDBPyConnection, tmp_path: Path, before: dict[str, bytes]
) -> None:
    found: list[dict[str, bytes]] = []
    out = tmp_path / "out"
    export(history, out, FileFormat.CSV, TWO, lambda _: found.append(contents(out)))
    assert found == [before] * 2


def test_long_work_says_how_far_it_is(
    history: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few seconds, until the file is whole."""

    def slow(_connection: Any, _query: Any, _form: Any, out: Any, **_: Any) -> int:
        out.write("x" * 2_500_000)
        out.flush()
        time.sleep(0.5)
        return 7

    said: list[str] = []
    monkeypatch.setattr(flows.exporting, "SAY_SECONDS", 0.2)
    monkeypatch.setattr(flows.exporting, "write_answer", slow)
    export(history, tmp_path / "out", FileFormat.CSV, TWO[:1], said.append)
    assert set(said[:-1]) == {"bi.tags: 2.5 MB so far"}
    assert said[-1] == f"{tmp_path / 'out' / 'bi.tags.csv'}: 7 rows"


@pytest.mark.slow
@pytest.mark.parametrize("form", list(FileFormat))
def test_a_full_disk_is_told_in_one_line(
    small_warehouse: Path, disk: Path, form: FileFormat
) -> None:
    """No file of it is left, whole or in part; those of before are there."""
    (disk / "bi.builds.csv").write_text("of before")
    ballast = leave_free(disk, 100_000)
    command = [IMAGELAKE, "export", "--warehouse", str(small_warehouse), "--format", form]
    full = subprocess.run(
        [*command, "--out", str(disk)], capture_output=True, text=True, check=False
    )
    assert full.returncode == 1
    *_, last = full.stderr.splitlines()
    assert last == (
        f"imagelake: --out '{disk}': nothing was exported: no space is left; make room, try again "
        "([Errno 28] No space left on device)"
    )
    assert "Traceback" not in full.stderr
    ballast.unlink()
    assert contents(disk) == {"bi.builds.csv": b"of before"}


def test_an_interruption_leaves_no_file(small_warehouse: Path, tmp_path: Path) -> None:
    """Ctrl-C: one line, and the folder is as it was."""
    out = tmp_path / "out"
    command = [IMAGELAKE, "export", "--warehouse", str(small_warehouse), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        until = time.monotonic() + 30
        while not (out.is_dir() and any(out.iterdir())) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 1
    assert told == "imagelake: interrupted\n"
    assert list(out.iterdir()) == []


def test_the_command_exports_what_is_named(
    imagelake: Command, small_warehouse: Path, tmp_path: Path
) -> None:
    """It tells each file on stderr; a mistake is one line with the way out."""
    asked = ("export", "--warehouse", str(small_warehouse), "--out", "files", "--format", "csv")
    done = imagelake(*asked, "--excel-safe", "bi.tags", "bi.targets")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "files/bi.tags.csv: 3 rows\nfiles/bi.targets.csv: 5 rows\n"
    assert {path.name for path in (tmp_path / "files").iterdir()} == {
        "bi.tags.csv",
        "bi.targets.csv",
    }
    mistaken = imagelake(*asked, "bi.tag")
    assert mistaken.returncode == 2
    assert mistaken.stderr.startswith(
        "imagelake: 'bi.tag' is no view, table or macro; did you mean "
    )
    assert len(mistaken.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_refused(
    history: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ParameterError, match="no folder can be made: File exists; give another"):
        export(history, tmp_path / "file", FileFormat.CSV, TWO, silent)
    (tmp_path / "out" / "bi.tags.csv").mkdir(parents=True)
    with pytest.raises(ParameterError, match="there is something else than a file"):
        export(history, tmp_path / "out", FileFormat.CSV, TWO, silent)
