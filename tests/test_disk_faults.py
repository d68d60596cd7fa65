"""A disk that fills up, or turns read-only, in the middle of a run costs that run and no other."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import pytest

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import commits, runs_of
from lake.retention import Keep
from lake.warehouse import connect, publish
from tests.command import IMAGELAKE
from tests.committed import of_builds
from tests.maintained import HOUR, after
from tests.test_writer import DAY, commit_rows

pytestmark = pytest.mark.slow

NEXT = DAY + timedelta(days=1)
REGION = "us-east-1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],  # noqa: S607 - the system's own
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607 - the system's own


def leave_free(disk: Path, free_bytes: int) -> Path:
    """Fills the disk up to so many bytes; returns the file that does it."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        status = os.statvfs(disk)
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - free_bytes)))
    return ballast


def used(lake: Path, pattern: str) -> int:
    """The bytes of the disk that files of the first date take."""
    found = lake.glob(f"{pattern}/snapshot_date={DAY}/*/*")
    return sum(path.stat().st_blocks * 512 for path in found)


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("reading", marks=pytest.mark.long),
        "writing the tables",
        pytest.param("committing", marks=pytest.mark.long),
    ],
)
def test_a_full_disk_fails_the_run_in_one_line_and_nothing_else(
    emulator: Emulator, disk: Path, tmp_path: Path, stage: str
) -> None:
    """Wherever the space runs out: while landing, writing or committing. The next run succeeds."""
    assert emulator
    warehouse = tmp_path / "imagelake.duckdb"
    command = [IMAGELAKE, "run", "--lake", str(disk / "lake"), "--warehouse", str(warehouse)]
    command += ["--region", REGION, "--page-size", "25"]

    def run(day: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*command, "--date", str(day)], capture_output=True, text=True, check=False
        )

    assert run(DAY).returncode == 0
    counts = "select snapshot_date::varchar, count(*) from image_builds group by all order by all"
    with connect(warehouse) as connection:
        before = connection.execute(counts).fetchall()
    pages, tables = used(disk / "lake", "_raw"), used(disk / "lake", "[is]*")
    free = {  # a day's files are not as large as another's to the block
        "reading": 0,
        "writing the tables": pages + tables // 2,
        "committing": pages + tables + 4096,
    }
    ballast = leave_free(disk, free[stage])
    full = run(NEXT)
    assert full.returncode == 1
    stages = [line for line in full.stderr.splitlines() if line.startswith(tuple(free))]
    assert stages[-1].startswith(stage)
    assert "Traceback" not in full.stderr
    place = disk / "lake"
    last = full.stderr.splitlines()[-1]
    assert last.startswith(
        f"imagelake: nothing was committed: --lake '{place}': no space is left in {place}; make room, "
    )
    assert "No space left on device" in last
    with connect(warehouse) as connection:
        assert connection.execute(counts).fetchall() == before
        assert len(connection.execute("from visible_runs").fetchall()) == 1

    ballast.unlink()
    assert run(NEXT).returncode == 0
    with connect(warehouse) as connection:
        assert [day for day, _ in connection.execute(counts).fetchall()] == [str(DAY), str(NEXT)]


@pytest.mark.usefixtures("at_once")
def test_a_full_disk_is_named_by_the_commands_that_look_after_a_lake(
    disk: Path, tmp_path: Path
) -> None:
    """The lake, and what shows in it is as it was; with room again it is done."""
    place = disk / "lake"
    lake = open_folder(str(place))
    first, second = (commit_rows(lake, DAY, of_builds(arn)).run_id for arn in ("a", "b"))
    command = [IMAGELAKE, "rollback", str(DAY), first, "--lake", str(place)]
    command += ["--warehouse", str(tmp_path / "imagelake.duckdb")]
    ballast = leave_free(disk, 0)
    full = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (full.returncode, full.stdout, len(full.stderr.splitlines())) == (1, "", 1)
    said = f"imagelake: --lake '{place}': no space is left in {place}; make room, run again ("
    assert full.stderr.startswith(said)
    assert [record.run_id for record in runs_of(lake, DAY)] == [second, first]

    ballast.unlink()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert runs_of(lake, DAY)[0].run_id == first


@pytest.mark.usefixtures("at_once")
def test_a_clean_up_of_a_full_disk_makes_its_own_room(disk: Path, tmp_path: Path) -> None:
    """What goes without a byte written goes first; forgetting a date then finds the room it takes."""
    lake = open_folder(str(disk / "lake"))
    for day in (DAY - timedelta(days=40), DAY, DAY):
        shown = commit_rows(lake, day, of_builds(*(f"{day}/{number}" for number in range(500))))
    publish(lake, tmp_path / "imagelake.duckdb")
    leave_free(disk, 0)
    with pytest.raises(OSError, match="No space left on device"):
        commit_rows(lake, NEXT, of_builds("a"))
    maintain(lake, Keep(keep_days=10), after(9 * 24 * HOUR))
    assert {record.run_id for record in commits(lake)} == {shown.run_id}
    assert [path.parent.name for path in lake.root.glob("image_builds/*=2*/*/*")] == [
        f"run_id={shown.run_id}"
    ]
    commit_rows(lake, NEXT, of_builds("a"))


READ_ONLY_FROM_WRITING_ON = """
import os, sys
from pathlib import Path
from flows.mistakes import errors_in_one_line
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.watch import Silent

lake, warehouse = Path(sys.argv[1]), Path(sys.argv[2])

def given(day):
    return SnapshotParameters(lake=str(lake), warehouse=warehouse, region=[sys.argv[3]], date=day)

class Closing(Silent):
    def doing(self, stage):
        if stage.startswith("writing"):
            for folder, _, _ in os.walk(lake):
                os.chmod(folder, 0o555)

take_snapshot(given(sys.argv[4]))  # imports whatever a run needs, too
if os.geteuid() == 0:  # nothing is read-only to root
    for folder, _, files in os.walk(lake.parent):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, 65534, 65534)
    os.seteuid(65534)
with errors_in_one_line():
    take_snapshot(given(sys.argv[5]), watch=Closing())
"""


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder that an unprivileged user can get to, as no folder of the tests' own."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_lake_that_turns_read_only_fails_the_run_and_nothing_else(
    emulator: Emulator, anybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between landing and writing; once it can be written again the next run asks nothing anew."""
    folder = anybodys
    lake, warehouse = folder / "lake", folder / "imagelake.duckdb"
    ended = subprocess.run(
        [
            *(sys.executable, "-c", READ_ONLY_FROM_WRITING_ON, str(lake), str(warehouse)),
            *(REGION, str(DAY), str(NEXT)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
    assert ended.stderr.startswith("imagelake: ")
    assert ended.stderr.endswith(": Permission denied\n")
    assert list(lake.glob(f"_raw/snapshot_date={NEXT}/*/pages-*"))
    with connect(warehouse) as connection:
        assert connection.execute("select snapshot_date from visible_runs").fetchall() == [(DAY,)]
        assert connection.execute("select count(*) > 0 from image_builds").fetchall() == [(True,)]

    for name, _, _ in os.walk(lake):
        Path(name).chmod(0o755)
    emulator.clear_requests()
    monkeypatch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
    take_snapshot(
        SnapshotParameters(lake=str(lake), warehouse=warehouse, region=[REGION], date=NEXT)
    )
    assert [c for c in emulator.requests() if c["operation"] == "ListImageBuildVersions"] == []
    assert [c.snapshot_date for c in commits(open_folder(str(lake)))] == [DAY, NEXT]


READ_ON = """
import duckdb, os, sys, time
reads = 0
while not os.path.exists(sys.argv[2]):
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        assert connection.execute("select count(*) from current_builds").fetchall() == [(1,)]
    reads += 1
    time.sleep(0.01)
print(reads)
"""
HOLD_ON = """
import duckdb, os, sys, time
reads = 0
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    lake = connection.execute("select lake from warehouse_info").fetchall()
    while not os.path.exists(sys.argv[2]):
        assert connection.execute("select arn from current_builds").fetchall() == [("a",)]
        assert connection.execute("select lake from warehouse_info").fetchall() == lake
        reads += 1
        time.sleep(0.01)
    time.sleep(0.01)
print(reads)
"""


@pytest.mark.long
def test_a_warehouse_is_replaced_a_hundred_times_under_its_readers(tmp_path: Path) -> None:
    """Who opens, asks and closes meets no error; who holds it open keeps its answers."""
    lakes = [open_folder(str(tmp_path / name)) for name in ("one", "other")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for lake in lakes:
            commit_rows(lake, DAY, of_builds("a"))
    warehouse, stop = tmp_path / "imagelake.duckdb", tmp_path / "stop"
    publish(lakes[0], warehouse)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(warehouse), str(stop)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for script in (READ_ON, READ_ON, HOLD_ON)
    ]
    built = [tmp_path / "one.duckdb", tmp_path / "other.duckdb"]
    for lake, path in zip(lakes, built, strict=True):
        publish(lake, path)
    for number in range(1, 101):
        if number % 25 == 0:
            assert publish(lakes[number // 25 % 2], warehouse) is True
            continue
        staged = copyfile(built[number % 2], tmp_path / "staged.duckdb")
        staged.replace(warehouse)  # as a publication ends
        time.sleep(0.02)
    stop.touch()
    for reader in readers:
        out, err = reader.communicate()
        assert (reader.returncode, err) == (0, "")
        assert int(out) > 3
