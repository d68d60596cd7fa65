"""The commands that look after a lake say what they did, and each refusal is one line."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest

from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.upkeep import maintain_lake
from flows.upkeep_parameters import MaintainParameters
from lake.location import open_folder
from lake.records import runs_of
from lake.warehouse import connect, publish
from tests.command import Command
from tests.committed import of_builds
from tests.test_writer import DAY, Rows, commit_rows

pytestmark = pytest.mark.usefixtures("at_once")

LAKE, WAREHOUSE = Path("data/lake"), Path("data/imagelake.duckdb")


def history(folder: Path, *runs: Rows) -> list[str]:
    """A lake and its warehouse below the folder, with these runs of one date; their ids."""
    lake = open_folder(str(folder / LAKE))
    ids = [commit_rows(lake, DAY, rows).run_id for rows in runs]
    publish(lake, folder / WAREHOUSE)
    return ids


@pytest.fixture(scope="module")
def of_one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake of one run, for commands that change nothing."""
    folder = tmp_path_factory.mktemp("of_one_run")
    history(folder, of_builds("a"))
    return folder


def test_a_rollback_lists_the_runs_and_shows_the_one_asked_for(
    imagelake: Command, tmp_path: Path
) -> None:
    first, second = history(tmp_path, of_builds("a"), of_builds("b"))
    listed = [line.split() for line in imagelake("rollback", str(DAY)).stdout.splitlines()]
    assert [(words[0], words[-1]) for words in listed] == [
        (second, "shows"),
        (first, "superseded"),
    ]
    done = imagelake("rollback", str(DAY), first)
    assert (done.returncode, done.stdout) == (0, f"{DAY} shows run {first}\n")
    with connect(tmp_path / WAREHOUSE) as connection:
        assert connection.execute("select arn from image_builds").fetchall() == [("a",)]


def test_status_names_a_damaged_and_a_missing_file(imagelake: Command, tmp_path: Path) -> None:
    """A flipped bit, a file that is gone: the others are right, and other dates can be asked."""
    history(tmp_path, of_builds("a", "b"))
    lake = open_folder(str(tmp_path / LAKE))
    commit_rows(lake, DAY + timedelta(days=1), of_builds("c"))
    right = imagelake("status", "--verify")
    assert (right.returncode, right.stdout) == (0, "17 files read, 0 damaged\n")
    (builds,) = lake.root.glob(f"image_builds/snapshot_date={DAY}/*/*")
    (amis,) = lake.root.glob(f"image_amis/snapshot_date={DAY}/*/*")
    (targets,) = lake.root.glob(f"snapshot_targets/snapshot_date={DAY}/*/*")
    (changes,) = lake.root.glob("_changes/snapshot_date=2*/*/*")
    content = bytearray(builds.read_bytes())
    content[len(content) // 2] ^= 1
    builds.write_bytes(content)
    amis.unlink()
    changes.unlink()
    targets.write_bytes(targets.read_bytes()[:-1])
    found = imagelake("status", "--verify")
    assert found.returncode == 1
    *named, last = found.stdout.splitlines()
    size = targets.stat().st_size
    assert sorted(named) == sorted(
        [
            f"{builds}: its content was changed",
            f"{amis}: it is missing",
            f"{changes}: it is missing; remove what is left of it and run `imagelake maintain`",
            f"{targets}: it has {size:,} bytes and was written with {size + 1:,}",
        ]
    )
    assert last == "17 files read, 4 damaged"
    query = f"select arn from image_builds where snapshot_date > '{DAY}'"  # noqa: S608 - our own date
    assert imagelake("sql", "--format", "csv", query).stdout == "arn\nc\n"


def test_status_tells_what_the_checks_wondered_at(imagelake: Command, tmp_path: Path) -> None:
    """The newest snapshot's warnings, each a line, with nothing in it that a terminal obeys."""
    rows = of_builds("a")
    rows["snapshots"][0]["warnings"] = json.dumps(["members \x1b[31m", "it's {}"])  # type: ignore[index]  # a dict
    history(tmp_path, rows)
    lines = imagelake("status").stdout.splitlines()
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: members \\x1b[31m",
        "warning: it's {}",
    ]


def test_maintain_says_what_went_and_how_much(imagelake: Command, tmp_path: Path) -> None:
    first, second = history(tmp_path, of_builds("a"), of_builds("b"))
    tried = imagelake("maintain", "--grace-hours", "0", "--orphan-hours", "0", "--dry-run")
    reason, what, *_, last = tried.stdout.splitlines()
    assert reason.startswith("superseded: 6 files, ")
    assert what == f"  run {first} of {DAY}"
    assert last == "nothing was removed: this was a dry run"
    done = imagelake("maintain", "--grace-hours", "0", "--orphan-hours", "0")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == [reason, what]
    assert [record.run_id for record in runs_of(open_folder(str(tmp_path / LAKE)), DAY)] == [second]
    assert imagelake("maintain").stdout == "nothing to remove\n"


def test_the_settings_come_from_the_file_and_the_environment(
    imagelake: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may hold `run`'s keys besides."""
    history(tmp_path, of_builds("a"))
    (tmp_path / "imagelake.toml").write_text('region = ["all"]\nkeep-days = 30\n')
    monkeypatch.setenv("IMAGELAKE_CONFIG", "imagelake.toml")
    monkeypatch.setenv("IMAGELAKE_DRY_RUN", "true")
    assert imagelake("maintain").stdout == "nothing to remove\n"
    monkeypatch.setenv("IMAGELAKE_KEEP_DAYS", "none")
    refused = imagelake("maintain")
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "imagelake: --keep-days 'none': input should be a valid integer"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["rebuild"], 2, "give --date YYYY-MM-DD, or --all for every date"),
        (["rebuild", "--date", "today", "--all"], 2, "--date 'today': not a date"),
        (["rebuild", "--date", "2020-01-01"], 1, "2020-01-01: the lake has no snapshot of it to"),
        (
            ["rebuild", "--date", str(DAY)],
            1,
            f"not committed: {DAY}: the raw pages of 111111111111/",
        ),
        (["rollback", "yesterday"], 2, "Invalid value for 'DATE': 'yesterday' does not match"),
        (
            ["rollback", str(DAY), "run"],
            1,
            f"not committed: {DAY}: 'run' is no run of the date; its",
        ),
        (
            ["rollback", "2020-01-01"],
            2,
            "2020-01-01: the lake has no run of it; `imagelake status`",
        ),
        (["maintain", "--keep-days", "0"], 2, "--keep-days '0': input should be greater than or"),
        (["maintain", "--lake", "none"], 2, "--lake 'none': there is none; `imagelake run` makes"),
        (["publish", "--lake", "none"], 2, "--lake 'none': there is none; `imagelake run` makes"),
        (["status", "--verify", "--warehouse", "no"], 2, "--warehouse 'no': there is none; "),
    ],
)
def test_a_mistake_is_one_line(
    imagelake: Command,
    of_one_run: Path,
    tmp_path: Path,
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    copytree(of_one_run / "data", tmp_path / "data")
    ended = imagelake(*arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    line = ended.stderr.splitlines()[-1]
    assert words in line
    assert not (tmp_path / "none").exists()


def test_a_clean_up_is_a_flow_too(tmp_path: Path) -> None:
    """The same parameters and the same words; that it runs on a server is tested with the others."""
    from flows.maintain import maintain

    assert maintain.name == "maintain"
    assert list(maintain.parameters.properties) == ["parameters"]
    history(tmp_path, of_builds("a"), of_builds("b"))
    given = MaintainParameters(
        lake=str(tmp_path / LAKE), warehouse=tmp_path / WAREHOUSE, grace_hours=0, orphan_hours=0
    )
    assert {removal.reason for removal in maintain_lake(given)} == {
        "superseded",
        "current rows as they were",
    }


def test_a_rebuild_needs_nobody_signed_in(
    imagelake: Command,
    emulator: object,
    parameters: Callable[..., SnapshotParameters],
    lake: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert emulator
    given = parameters(region=["us-east-1"], date=DAY)
    builds = take_snapshot(given).row_counts["image_builds"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    place = ["--lake", str(lake), "--warehouse", str(given.warehouse)]
    done = imagelake("rebuild", "--all", *place)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{DAY} rebuilt: {builds} builds (run ")
