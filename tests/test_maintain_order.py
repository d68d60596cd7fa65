"""Clean-up first removes what needs nothing written, then the dates past retention.

So it makes the room on a full disk that forgetting a date takes; broken off anywhere, each date
shows whole or not at all.
"""

import errno
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.folder import Folder
from lake.maintain import maintain
from lake.records import commits, runs_of
from lake.retention import Keep
from lake.run import Run
from tests.committed import Reader, of_builds, reader
from tests.maintained import HOUR, NOTHING, after, land
from tests.test_writer import DAY, commit_rows, write_run

__all__ = ["reader"]  # a fixture is used by its name

pytestmark = pytest.mark.usefixtures("at_once")

OLD = DAY - timedelta(days=40)
KEEP = Keep(keep_days=10)
LATER = after(9 * 24 * HOUR)


def a_lake(folder: Folder) -> tuple[Run, Run, Run]:
    """A date past retention, one of two runs, a run that never committed, an unfinished file.

    Returns the first date's run, then the run of the second that shows, then the other.
    """
    expired = commit_rows(folder, OLD, of_builds("a"))
    land(folder, expired)
    superseded = commit_rows(folder, DAY, of_builds("a", "b"))
    shown = commit_rows(folder, DAY, of_builds("b", "c"))
    write_run(folder, DAY, of_builds("killed"))
    write_run(folder, OLD, of_builds("killed"))
    folder.stage(f"image_builds/snapshot_date={DAY}/part").write_bytes(b"half")
    return expired, shown, superseded


def run_ids(folder: Folder, pattern: str) -> set[str]:
    """The runs of which there are files below the folders."""
    found = folder.root.glob(f"{pattern}/snapshot_date=*/run_id=*/*")
    ids = {path.parent.name.removeprefix("run_id=") for path in found}
    return ids - {"schema"}


def test_what_needs_nothing_written_goes_though_a_date_cannot_be_forgotten(
    folder: Folder, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk: the date stays whole, with its pages, until there is room for the next time."""
    expired, shown, superseded = a_lake(folder)
    copied: list[str] = []

    def copyfile(path: Path, to: Path) -> None:
        if "/image_amis/" in str(to):
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(to.name)
        to.write_bytes(path.read_bytes())

    newest = runs_of(folder, DAY)[0]
    with monkeypatch.context() as full:
        full.setattr("lake.folder.copyfile", copyfile)
        with pytest.raises(OSError, match="No space left"):
            maintain(folder, KEEP, LATER)
    assert copied
    assert run_ids(folder, "image_*") == {expired.run_id, shown.run_id}
    assert run_ids(folder, "_raw") == {expired.run_id}
    assert superseded.run_id not in {record.run_id for record in commits(folder)}
    assert list(folder.leftovers()) == [
        leftover for leftover in folder.leftovers() if not leftover.file_count
    ]
    states = folder.root.glob("_current/*/state=2*/**/*.parquet")
    assert {part for path in states for part in path.parts if "state=" in part} == {
        f"state={newest.state}"
    }
    days = "select distinct snapshot_date from image_builds order by all"
    assert reader.rows(days) == [(OLD,), (DAY,)]
    assert reader.arns("current_builds") == ["b", "c"]

    maintain(folder, KEEP, LATER)
    assert reader.rows(days) == [(DAY,)]
    assert run_ids(folder, "image_*") == {shown.run_id}
    assert run_ids(folder, "_raw") == set()


@pytest.mark.slow
@pytest.mark.parametrize("step", range(0, 50, 7))
def test_a_clean_up_that_broke_off_shows_each_date_whole_or_not_at_all(
    folder: Folder, reader: Reader, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whatever file was the last that it removed; the next one finishes it."""
    _, shown, _ = a_lake(folder)
    left = iter(range(step))
    unlink = Path.unlink

    def unlink_some(path: Path, *given: Any, **named: Any) -> None:
        if next(left, None) is None:
            raise OSError("the disk is gone")
        unlink(path, *given, **named)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", unlink_some)
        with pytest.raises(OSError, match="the disk is gone"):
            maintain(folder, KEEP, LATER)
    seen = "select snapshot_date, arn from image_builds order by all"
    newer = [(DAY, "b"), (DAY, "c")]
    assert reader.rows(seen) in ([(OLD, "a"), *newer], newer)
    assert reader.arns("image_amis") == [arn for _, arn in reader.rows(seen)]
    assert reader.arns("current_builds") == ["b", "c"]
    maintain(folder, KEEP, LATER)
    assert reader.rows(seen) == newer
    assert run_ids(folder, "image_*") == {shown.run_id}
    maintain(folder, KEEP, after(20 * 24 * HOUR))
    assert maintain(folder, KEEP, after(20 * 24 * HOUR)) == NOTHING
