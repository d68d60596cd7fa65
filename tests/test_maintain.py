"""Clean-up removes what nothing shows, and never what something does."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.upkeep import maintain_lines
from flows.upkeep_parameters import MaintainParameters
from lake.commit import CommitError, rollback
from lake.folder import Folder
from lake.maintain import Removal, maintain
from lake.records import commits, manifest_of, read_record, runs_of
from lake.retention import Keep
from lake.run import Run
from tests.test_commit import Reader, of_builds
from tests.test_writer import DAY, Rows, commit_rows, write_run

pytestmark = pytest.mark.usefixtures("at_once")

HOUR = timedelta(hours=1)
NOTHING: list[Removal] = []


@pytest.fixture
def reader(folder: Folder, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(folder, tmp_path / "imagelake.duckdb")
    yield reader
    reader.connection.close()


def after(age: timedelta) -> datetime:
    return datetime.now(UTC) + age


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


def run_ids(done: list[Removal], reason: str) -> list[str]:
    return [removal.what.split()[1] for removal in done if removal.reason == reason]


def land(folder: Folder, run: Run, content: bytes = b"pages") -> str:
    path = f"{run.raw_folder}/pages-00000.arrows"
    folder.path(path).parent.mkdir(parents=True)
    folder.path(path).write_bytes(content)
    return path


def target_rows(region: str, count: int, coverage: str = "whole") -> Rows:
    """A run that read `count` builds of a region."""
    rows = of_builds(*(f"{region}/{number}" for number in range(count)))
    for table in ("image_builds", "image_amis", "snapshot_targets"):
        for row in rows[table]:
            row["region"] = region  # type: ignore[index]  # they are dicts
    for row in rows["snapshot_targets"]:
        row["coverage"] = coverage  # type: ignore[index]  # they are dicts
    return rows


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
    assert second.startswith("current rows as they were: 6 files, ")
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
def test_retention_keeps_days_then_the_last_date_of_each_month(
    folder: Folder, reader: Reader
) -> None:
    """keep_days, then for keep_monthly months the last date of each, then nothing."""
    today = date(2026, 3, 31)
    now = datetime(2026, 3, 31, 12, tzinfo=UTC) + timedelta(days=3650)
    shift = timedelta(days=3650)
    days = [date(2026, 1, 10), date(2026, 1, 20), date(2026, 2, 10), date(2026, 2, 20)]
    days += [date(2026, 3, 10), date(2026, 3, 29), date(2026, 3, 30), today]
    for day in (date(2025, 6, 1), *days):
        commit_rows(folder, day + shift, of_builds("a"))
    keep = Keep(keep_days=3, keep_monthly=2, orphan_age=100 * 365 * 24 * HOUR)
    done = maintain(folder, keep, now)
    shown = [day for (day,) in reader.rows("select snapshot_date from visible_runs order by all")]
    expected = {day for day in (d + shift for d in days) if day > now.date() - timedelta(days=3)}
    months = {(d.year, d.month): d for d in sorted(d + shift for d in days)}
    assert set(shown) == expected | set(months.values())
    assert {removal.reason for removal in done} == {"its date is past retention"}
    assert reader.counts()["snapshots"] == len(shown)


def test_a_targets_newest_complete_capture_stays_whatever_its_age(
    folder: Folder, reader: Reader
) -> None:
    """A region that has been denied for a year keeps its last known builds."""
    old, older, new = DAY, DAY - timedelta(days=1), DAY + timedelta(days=300)
    commit_rows(folder, older, target_rows("eu-west-1", 2))
    commit_rows(folder, old, target_rows("eu-west-1", 3))
    commit_rows(folder, new, target_rows("us-east-1", 4))
    now = datetime(new.year, new.month, new.day, tzinfo=UTC) + timedelta(days=3650)
    maintain(folder, Keep(keep_days=30), now)
    assert sorted({c.snapshot_date for c in commits(folder)}) == [old, new]
    assert len(reader.arns("current_builds")) == 7


def test_raw_pages_stay_as_long_as_rows_of_theirs_show(folder: Folder) -> None:
    """Those of a superseded run from which a target is carried, and those of the run that shows."""
    first, second, third = (Run.begin(datetime.now(UTC), DAY) for _ in range(3))
    pages = {run.run_id: land(folder, run) for run in (first, second, third)}
    runs = [second.run_id, first.run_id]
    facts = {"raw_run": second.run_id, "raw_runs": {"111111111111/us-east-1": runs}}
    commit_rows(folder, DAY, of_builds("a"), **facts)
    done = maintain(folder, Keep(), after(9 * 24 * HOUR))
    assert [removal.what for removal in done] == [f"pages of run {third.run_id} of {DAY}"]
    assert not folder.path(pages[third.run_id]).exists()
    assert folder.path(pages[first.run_id]).exists()
    assert folder.path(pages[second.run_id]).exists()
    maintain(folder, Keep(keep_raw_days=10), after(9 * 24 * HOUR))
    assert folder.path(pages[first.run_id]).exists()
    maintain(folder, Keep(keep_raw_days=10), after(11 * 24 * HOUR))
    assert not folder.path("_raw").exists()


def test_many_small_files_become_few_with_the_same_rows(
    folder: Folder, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as small:
        small.setattr("lake.writer.ROW_GROUP_ROWS", 1)
        small.setattr("lake.writer.PART_ROWS", 1)
        old = commit_rows(folder, DAY, of_builds("a", "b", "c"))
    query = "select * exclude (run_id) from image_builds order by arn"
    before = reader.rows(query)
    assert maintain(folder, Keep(compact=False), after(25 * HOUR)) == NOTHING
    assert maintain(folder, Keep(), after(23 * HOUR)) == NOTHING
    (removal,) = maintain(folder, Keep(), after(25 * HOUR))
    assert removal.reason == "in many small files: written anew"
    newest, oldest = runs_of(folder, DAY)
    assert oldest.run_id == old.run_id
    content = read_record(folder, newest)
    assert content["compacted_from"] == content["raw_run"] == old.run_id
    assert {len(group) for group in manifest_of(content).values()} == {1}
    assert reader.rows(query) == before
    reasons = {removal.reason for removal in maintain(folder, Keep(), after(25 * HOUR))}
    assert reasons == {"current rows as they were"}


def test_a_rollback_shows_the_older_run_until_the_next_one(folder: Folder, reader: Reader) -> None:
    """Doing it twice is the same as doing it once."""
    first = commit_rows(folder, DAY, of_builds("a"))
    second = commit_rows(folder, DAY, of_builds("b"))
    record = rollback(folder, DAY, first.run_id)
    assert rollback(folder, DAY, first.run_id) == record
    assert reader.arns() == reader.arns("image_amis") == ["a"]
    assert [c.run_id for c in runs_of(folder, DAY)] == [
        first.run_id,
        second.run_id,
        first.run_id,
    ]
    maintain(folder, Keep(), after(8 * 24 * HOUR))
    assert runs_of(folder, DAY) == [record]
    assert reader.arns() == ["a"]


def test_a_rollback_to_what_is_not_there_is_refused(folder: Folder, reader: Reader) -> None:
    """A run of another date, one that never committed, one whose file is gone."""
    old = commit_rows(folder, DAY, of_builds("a"))
    new = commit_rows(folder, DAY, of_builds("b"))
    killed, _ = write_run(folder, DAY, of_builds("killed"))
    known = f"{new.run_id}, {old.run_id}"
    with pytest.raises(CommitError, match=f"is no run of the date; its runs: {known}$"):
        rollback(folder, DAY, killed.run_id)
    with pytest.raises(CommitError, match="its runs: none"):
        rollback(folder, DAY + timedelta(days=1), new.run_id)
    next(folder.root.glob(f"image_amis/*/run_id={old.run_id}/*")).unlink()
    with pytest.raises(CommitError, match="expected the files"):
        rollback(folder, DAY, old.run_id)
    assert reader.arns() == ["b"]


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
