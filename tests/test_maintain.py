"""Clean-up removes what nothing shows, and never what something does."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.upkeep import maintain_lines
from flows.upkeep_parameters import MaintainParameters
from lake.folder import Folder
from lake.maintain import Removal, maintain
from lake.records import commits
from lake.retention import Keep
from tests.committed import Reader, of_builds, reader
from tests.maintained import HOUR, NOTHING, after, land, run_ids
from tests.test_writer import DAY, commit_rows, write_run

__all__ = ["reader"]  # a fixture is used by its name

pytestmark = pytest.mark.usefixtures("at_once")


def files(folder: Folder) -> set[str]:
    """Every file but those that are always there."""
    return {
        path
        for path in (p.relative_to(folder.root).as_posix() for p in folder.root.rglob("*"))
        if folder.path(path).is_file()
        and not path.startswith("_locks/")
        and "=9999-12-31" not in path
        and not path.startswith("_current/")
    }


def states(folder: Folder) -> list[str]:
    """The states of the current rows of which there are files."""
    found = folder.root.glob("_current/image_builds/state=*")
    return sorted({path.name.removeprefix("state=") for path in found} - {"schema"})


def test_a_superseded_run_goes_after_the_grace_period(folder: Folder, reader: Reader) -> None:
    """Its record and its files; what shows stays as it is, and the second time nothing is left."""
    old = commit_rows(folder, DAY, of_builds("a", "b"))
    new = commit_rows(folder, DAY, of_builds("b", "c"))
    assert run_ids(maintain(folder, Keep(), after(6 * 24 * HOUR)), "superseded") == []
    done = maintain(folder, Keep(), after(8 * 24 * HOUR))
    assert run_ids(done, "superseded") == [old.run_id]
    assert [removal.file_count for removal in done] == [6]
    assert {c.run_id for c in commits(folder)} == {new.run_id}
    assert all(new.run_id in path for path in files(folder))
    assert reader.arns() == ["b", "c"]
    assert maintain(folder, Keep(), after(8 * 24 * HOUR)) == NOTHING


def test_a_dry_run_says_what_would_go_and_removes_nothing(folder: Folder) -> None:
    commit_rows(folder, DAY, of_builds("a"))
    commit_rows(folder, DAY, of_builds("b"))
    before = files(folder)
    planned = maintain(folder, Keep(), after(8 * 24 * HOUR), is_dry=True)
    assert files(folder) == before
    assert maintain(folder, Keep(), after(8 * 24 * HOUR)) == planned
    first, _, second, _, last = maintain_lines(planned, is_dry=True)
    assert first.startswith("superseded: 6 files, ")
    assert second.startswith("current rows as they were: 4 files, ")
    assert last == "nothing was removed: this was a dry run"


def test_files_that_no_commit_names_go_past_the_orphan_age(folder: Folder, reader: Reader) -> None:
    """A killed run's data, unfinished files; a foreign file is nobody's to remove."""
    commit_rows(folder, DAY, of_builds("a"))
    kept = files(folder)
    killed, _ = write_run(folder, DAY, of_builds("killed"))
    folder.stage("image_builds/snapshot_date=2025-11-20/part").write_bytes(b"half")
    foreign = {"notes.txt", "image_builds/notes.parquet", "_raw/snapshot_date=2025-11-20/mine/x"}
    for path in foreign:
        folder.path(path).parent.mkdir(parents=True, exist_ok=True)
        folder.path(path).write_text("mine")
    assert maintain(folder, Keep(), after(23 * HOUR)) == NOTHING
    done = maintain(folder, Keep(), after(25 * HOUR))
    assert run_ids(done, "no commit names it") == [killed.run_id]
    assert [removal.reason for removal in done][-1] == "left unfinished"
    assert files(folder) == kept | foreign
    assert reader.arns() == ["a"]
    assert maintain(folder, Keep(), after(25 * HOUR)) == NOTHING


def test_an_empty_folder_of_a_killed_run_goes_past_the_orphan_age(folder: Folder) -> None:
    """With those above it that it leaves empty; not one of somebody else's, nor one in use."""
    commit_rows(folder, DAY, of_builds("a"))
    kept = {path for path in folder.root.rglob("*") if path.is_dir()}
    run = "20251120T020000123456Z-1a2b3c4d"
    empty = ["image_builds/snapshot_date=2025-11-21", f"image_amis/snapshot_date={DAY}"]
    empty = [f"{path}/run_id={run}" for path in (*empty, "_raw/snapshot_date=2025-11-21")]
    empty.append(f"_current/image_amis/state={run}")
    foreign = ["image_builds/mine", "mine/snapshot_date=2025-11-21", "_raw/mine/state=1/x"]
    for path in (*empty, *foreign):
        folder.path(path).mkdir(parents=True)
    assert maintain(folder, Keep(), after(23 * HOUR)) == NOTHING
    planned = maintain(folder, Keep(), after(25 * HOUR), is_dry=True)
    assert planned == [Removal("left unfinished", f"{path}/", 0, 0) for path in sorted(empty)]
    assert all(folder.path(path).is_dir() for path in empty)
    assert maintain(folder, Keep(), after(25 * HOUR)) == planned
    left = {path for path in folder.root.rglob("*") if path.is_dir()}
    theirs = {p for path in foreign for p in (folder.path(path), *folder.path(path).parents)}
    assert left - theirs == kept - theirs
    assert all(folder.path(path).is_dir() for path in foreign)
    assert maintain(folder, Keep(), after(25 * HOUR)) == NOTHING


def test_a_writer_beside_the_removal_of_an_empty_folder_is_not_hindered(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of its date goes between its look and its own folder's making: it is made anew."""
    day = folder.path(f"image_builds/snapshot_date={DAY}")
    day.mkdir(parents=True)
    (leftover,) = folder.leftovers()
    mkdir = Path.mkdir
    calls: list[Path] = []

    def late(path: Path, *given: Any, **named: Any) -> None:
        if not calls:
            calls.append(path)
            leftover.remove()
        mkdir(path, *given, **named)

    monkeypatch.setattr(Path, "mkdir", late)
    staged = folder.stage(f"image_builds/snapshot_date={DAY}/run_id=x/part-00000.parquet")
    assert calls == [staged.parent]
    staged.write_bytes(b"rows")
    assert staged.exists()


def test_current_rows_of_before_go_a_day_after_they_were_superseded(
    folder: Folder, reader: Reader
) -> None:
    """Those that the newest record names stay, and so does the one that a reader may look at yet."""
    commit_rows(folder, DAY, of_builds("a"))
    first = states(folder)
    commit_rows(folder, DAY + timedelta(days=1), of_builds("b"))
    both = states(folder)
    assert len(both) == 2
    maintain(folder, Keep(), after(23 * HOUR))
    assert states(folder) == both
    (removal,) = maintain(folder, Keep(), after(25 * HOUR))
    assert removal.what == f"state {first[0]}"
    assert states(folder) == [state for state in both if state not in first]
    assert reader.arns("current_builds") == ["b"]


def test_a_run_that_is_being_written_is_left_alone(folder: Folder, reader: Reader) -> None:
    """A commit is refused at half the age at which clean-up would take its files."""
    run, manifest = write_run(folder, DAY, of_builds("a"))
    landed = land(folder, run)
    assert maintain(folder, Keep(grace=timedelta(0)), after(11 * HOUR)) == NOTHING
    assert folder.path(landed).exists()
    assert len(manifest) == 6
    assert reader.arns() == []


@pytest.mark.slow
@pytest.mark.parametrize("step", range(8))
def test_a_clean_up_that_broke_off_is_finished_by_the_next(
    folder: Folder, reader: Reader, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whatever file was the last that it removed: the date shows what it showed."""
    commit_rows(folder, DAY, of_builds("a"))
    new = commit_rows(folder, DAY, of_builds("b"))
    left = iter(range(step))
    unlink = Path.unlink

    def unlink_some(path: Path, missing_ok: bool = False) -> None:
        if next(left, None) is None:
            raise OSError("the disk is gone")
        unlink(path, missing_ok)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", unlink_some)
        if step < 7:
            with pytest.raises(OSError, match="the disk is gone"):
                maintain(folder, Keep(), after(8 * 24 * HOUR))
    assert reader.arns() == reader.arns("image_amis") == ["b"]
    maintain(folder, Keep(), after(8 * 24 * HOUR))
    assert {c.run_id for c in commits(folder)} == {new.run_id}
    assert all(new.run_id in path for path in files(folder))


def test_the_commands_defaults_are_the_lakes() -> None:
    given = MaintainParameters()
    assert (given.keep_days, given.keep_monthly, given.keep_raw_days) == (
        Keep().keep_days,
        Keep().keep_monthly,
        Keep().keep_raw_days,
    )
    assert timedelta(hours=given.grace_hours) == Keep().grace
    assert timedelta(hours=given.orphan_hours) == Keep().orphan_age
    assert given.compact == Keep().compact
