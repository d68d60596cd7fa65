"""A committed run says so, whatever comes after; damage is named and stops only what it must."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from extract.emulator import Emulator
from extract.emulator.settings import REGIONS
from flows.loading import load_parameters
from flows.mistakes import INTERRUPTED_LATE
from flows.parameters import ParameterError, SnapshotParameters
from lake.folder import Folder
from lake.interruption import heeded_after, held_off
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import commits
from lake.retention import Keep
from lake.verify import verify
from lake.warehouse import connect, publish
from tests.command import IMAGELAKE, Command
from tests.committed import of_builds
from tests.test_writer import DAY, commit_rows

PROJECT = Path(__file__).parents[1]
OPTIONS = ("--lake", "lake", "--warehouse", "w.duckdb", "--region", REGIONS[0])


def committed(folder: Path) -> int:
    return len(list(commits(open_folder(str(folder / "lake")))))


@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
def test_a_warehouse_that_another_process_holds_leaves_the_run_committed(
    imagelake: Command, tmp_path: Path
) -> None:
    """Even where the summary would have asked it."""
    assert imagelake("run", *OPTIONS).returncode == 0
    with duckdb.connect(str(tmp_path / "w.duckdb")):
        ended = imagelake("run", *OPTIONS, "--max-items", "5", "--date", "2025-11-19")
    assert ended.returncode == 3
    assert "snapshot 2025-11-19 partial" in ended.stdout
    assert "nothing was committed" not in ended.stdout + ended.stderr
    assert committed(tmp_path) == 2


@pytest.mark.slow
def test_an_interruption_after_the_record_is_too_late(emulator: Emulator, tmp_path: Path) -> None:
    assert emulator.environment()
    running = subprocess.Popen(
        [IMAGELAKE, "run", *OPTIONS, "--visibility-seconds", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ),
    )
    until = time.monotonic() + 60
    while not list(tmp_path.glob("lake/_commits/*.json")) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert "nothing was committed" not in stderr
    assert " complete: " in stdout
    assert running.returncode == 0
    assert committed(tmp_path) == 1


INTERRUPTED_AT_THE_RECORD = """
import os, signal, sys
import flows.cli
link = os.link
def linked(source, target):
    link(source, target)
    if "_commits" in str(target):
        signal.raise_signal(signal.SIGINT)
os.link = linked
sys.argv[0] = "imagelake"
flows.cli.main()
"""


def command_by(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a process that the script starts, to its end."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
    )


def test_an_interruption_as_the_record_is_created_is_too_late(
    emulator: Emulator, tmp_path: Path
) -> None:
    """At the very instant: the record is there, and nothing says otherwise."""
    assert emulator.environment()
    ended = command_by(tmp_path, INTERRUPTED_AT_THE_RECORD, "run", *OPTIONS)
    assert "nothing was committed" not in ended.stderr
    assert ended.stderr.endswith("interrupted too late: the snapshot is committed\n")
    assert " complete: " in ended.stdout
    assert (ended.returncode, committed(tmp_path)) == (0, 1)


INTERRUPTED_TWICE = INTERRUPTED_AT_THE_RECORD.replace(
    "        signal.raise_signal(signal.SIGINT)\n",
    "        signal.raise_signal(signal.SIGINT)\n" * 2,
)
INTERRUPTED_AS_IT_ENDS = """
import signal, sys
import flows.cli, flows.pipeline, flows.summary
def lines(*_):
    signal.raise_signal(signal.SIGINT)
flows.summary.lines = lines
sys.argv[0] = "imagelake"
flows.cli.main()
"""


@pytest.mark.parametrize("script", [INTERRUPTED_TWICE, INTERRUPTED_AS_IT_ENDS])
def test_an_interruption_that_is_heeded_late_says_where_to_look(
    emulator: Emulator, tmp_path: Path, script: str
) -> None:
    """Twice as the record is created; as the committed run is to be told."""
    assert emulator.environment()
    ended = command_by(tmp_path, script, "run", *OPTIONS)
    assert ended.stderr.endswith(f"imagelake: {INTERRUPTED_LATE}\n")
    assert (ended.returncode, committed(tmp_path)) == (3, 1)


@contextmanager
def python_s_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("times", [1, 2])
def test_a_second_interruption_is_heeded(times: int) -> None:
    """A store that does not answer can be left, too."""
    with python_s_own_handler():
        with pytest.raises(KeyboardInterrupt) if times > 1 else nullcontext(), held_off() as hold:
            for _ in range(times):
                hold()  # a record whose name was taken is tried once more
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("is_wrong", [False, True])
def test_an_interruption_waits_for_duckdb(is_wrong: bool) -> None:
    """DuckDB would make a RuntimeError of it, and may abort the process that ends over it.

    It is heeded where the statement fails, too: who handles the error would go on.
    """
    query = "select error('wrong')" if is_wrong else "select 1"
    found: list[object] = []

    def ask() -> None:
        with heeded_after(), duckdb.connect() as connection:
            signal.raise_signal(signal.SIGINT)
            found.extend(connection.execute(query).fetchall())

    with python_s_own_handler():
        with pytest.raises(KeyboardInterrupt):
            ask()
        assert found == ([] if is_wrong else [(1,)])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


COUNTS_LONG = """
import duckdb
from lake.interruption import heeded_after
with heeded_after(), duckdb.connect(config={"threads": 1}) as connection:
    print("begun", flush=True)
    connection.execute("select count(*) from range(20_000_000_000) where hash(range) % 7 = 0")
"""


def test_a_second_interruption_waits_for_no_statement() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COUNTS_LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as counting:
        assert counting.stdout is not None
        assert counting.stdout.readline() == "begun\n"
        counting.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            counting.wait(1)
        while counting.poll() is None:
            counting.send_signal(signal.SIGINT)
            time.sleep(0.2)
        _, said = counting.communicate()
    assert said.endswith(("RuntimeError: Query interrupted\n", "KeyboardInterrupt\n"))


@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
def test_a_rebuild_ends_at_the_date_that_it_was_interrupted_at(
    imagelake: Command, tmp_path: Path
) -> None:
    """As its record is created: the date is rebuilt and told, and the next is not begun."""
    for day in ("2025-11-18", "2025-11-19"):
        assert imagelake("run", *OPTIONS, "--date", day).returncode == 0
    ended = command_by(tmp_path, INTERRUPTED_AT_THE_RECORD, "rebuild", "--all", *OPTIONS[:4])
    assert re.fullmatch(
        r"2025-11-18 rebuilt: \d+ builds \(run \S+\)\ninterrupted after 2025-11-18; "
        r"`imagelake publish` brings the warehouse up to date\n",
        ended.stdout,
    )
    assert (ended.returncode, committed(tmp_path)) == (3, 3)


def damaged(folder: Folder, pattern: str) -> str:
    """Cuts a file short; its path in the lake."""
    (path,) = folder.root.glob(pattern)
    path.write_bytes(path.read_bytes()[:200])
    return str(path.relative_to(folder.root))


@pytest.mark.usefixtures("at_once")
def test_a_damaged_date_does_not_stop_the_next(folder: Folder) -> None:
    """Its targets cannot be told; what is new is committed, and what is damaged is named."""
    commit_rows(folder, DAY, of_builds("a", "b"))
    path = damaged(folder, f"snapshot_targets/snapshot_date={DAY}/*/*.parquet")
    commit_rows(folder, DAY + timedelta(days=1), of_builds("a", "c"))
    assert len(list(commits(folder))) == 2
    assert path in verify(folder).damaged
    maintain(folder, Keep(), datetime.now(UTC))


@pytest.mark.usefixtures("at_once")
def test_captures_that_cannot_be_read_are_named_and_written_anew(
    folder: Folder, tmp_path: Path
) -> None:
    """History is then found in the snapshots themselves."""
    commit_rows(folder, DAY, of_builds("a", "b"))
    commit_rows(folder, DAY + timedelta(days=1), of_builds("a", "c"))
    (newest,) = {record.state for record in commits(folder) if record.snapshot_date > DAY}
    path = damaged(folder, f"_current/target_captures/state={newest}/*.parquet")
    assert verify(folder).damaged.keys() == {path}
    maintain(folder, Keep(), datetime.now(UTC))
    publish(folder, tmp_path / "w.duckdb")
    commit_rows(folder, DAY + timedelta(days=2), of_builds("a"))
    publish(folder, tmp_path / "w.duckdb")
    with connect(tmp_path / "w.duckdb") as connection:
        rows = connection.execute("select change, arn from build_changes order by all").fetchall()
    assert ("disappeared", "c") in rows


def test_a_broken_list_of_accounts_is_told_without_their_external_ids() -> None:
    text = '[{"role_arn": "arn:aws:iam::111122223333:role/r", "external_id": "SECRET"]'
    with pytest.raises(ParameterError, match=r"^IMAGELAKE_ACCOUNTS: no JSON list") as told:
        load_parameters(SnapshotParameters, {}, None, {"IMAGELAKE_ACCOUNTS": text})
    assert "SECRET" not in str(told.value)
