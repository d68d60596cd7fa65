"""Clean-up keeps dates, captures and pages for as long as it is told, and the rows of many small files.

A rollback shows an older run of those that are kept.
"""

from datetime import UTC, date, datetime, timedelta

import pytest

from lake.commit import CommitError, rollback
from lake.folder import Folder
from lake.maintain import maintain
from lake.records import commits, manifest_of, read_record, runs_of
from lake.retention import Keep
from lake.run import Run
from schemas.snapshots import FILTERED, NONE, PART, WHOLE
from tests.committed import Reader, of_builds, reader
from tests.maintained import HOUR, NOTHING, after, land
from tests.test_writer import DAY, Rows, commit_rows, write_run

__all__ = ["reader"]  # a fixture is used by its name

pytestmark = pytest.mark.usefixtures("at_once")


def target_rows(region: str, count: int, coverage: str = "whole") -> Rows:
    """A run that read `count` builds of a region."""
    rows = of_builds(*(f"{region}/{number}" for number in range(count)))
    for table in ("image_builds", "image_amis", "snapshot_targets"):
        for row in rows[table]:
            row["region"] = region  # type: ignore[index]  # they are dicts
    for row in rows["snapshot_targets"]:
        row["coverage"] = coverage  # type: ignore[index]  # they are dicts
    return rows


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


EAST, WEST = "us-east-1", "us-west-2"


def of_targets(coverages: dict[str, str]) -> Rows:
    """A run of these regions' coverages; one that was not read has no build."""
    runs = [target_rows(region, int(c != "none"), c) for region, c in coverages.items()]
    rows = {table: [row for run in runs for row in run[table]] for table in runs[0]}
    return rows | {"snapshots": rows["snapshots"][:1]}


@pytest.mark.parametrize(
    ("august", "kept"),
    [
        pytest.param(
            {28: (WHOLE, WHOLE), 29: (WHOLE, WHOLE), 30: (WHOLE, WHOLE), 31: (WHOLE, NONE)},
            [30, 31],
            id="one region denied on the last",
        ),
        pytest.param(
            {27: (WHOLE, WHOLE), 28: (WHOLE, NONE), 29: (PART, NONE), 31: (NONE, PART)},
            [27, 28, 31],
            id="each region whole on another",
        ),
        pytest.param(
            {28: (WHOLE, WHOLE), 29: (WHOLE, FILTERED), 31: (FILTERED, FILTERED)},
            [28, 29, 31],
            id="a whole capture before a filtered one",
        ),
        pytest.param(
            {28: (WHOLE, FILTERED), 29: (WHOLE, FILTERED), 30: (WHOLE, NONE), 31: (WHOLE, NONE)},
            [29, 31],
            id="a filtered one where there is none that is whole",
        ),
        pytest.param(
            {29: (WHOLE, WHOLE), 30: (WHOLE, WHOLE), 31: (WHOLE, WHOLE)}, [31], id="all on the last"
        ),
    ],
)
def test_of_a_month_each_targets_last_complete_capture_stays(
    folder: Folder, august: dict[int, tuple[str, str]], kept: list[int]
) -> None:
    """With the last date, whatever that covers; a second clean-up finds nothing more to remove."""
    for day, coverages in august.items():
        commit_rows(
            folder, date(2036, 8, day), of_targets(dict(zip((EAST, WEST), coverages, strict=True)))
        )
    newest = date(2036, 11, 30)
    commit_rows(folder, newest, of_targets({EAST: WHOLE, WEST: WHOLE}))
    now = datetime(2036, 11, 30, 12, tzinfo=UTC)
    keep = Keep(keep_days=60, keep_monthly=24)
    for _ in range(2):
        maintain(folder, keep, now)
        there = sorted({record.snapshot_date for record in commits(folder)})
        assert there == [*(date(2036, 8, day) for day in kept), newest]
    maintain(folder, Keep(keep_days=60, keep_monthly=2), now)
    assert {record.snapshot_date for record in commits(folder)} == {newest}


def test_of_a_month_a_date_stays_whose_targets_cannot_be_told(folder: Folder) -> None:
    """It may hold the last complete capture of one."""
    damaged, last, newest = date(2036, 8, 29), date(2036, 8, 31), date(2036, 11, 30)
    for day in (date(2036, 8, 28), damaged, last, newest):
        commit_rows(folder, day, of_targets({EAST: WHOLE}))
    (targets,) = folder.root.glob(f"snapshot_targets/snapshot_date={damaged}/*/*")
    targets.unlink()
    now = datetime(2036, 11, 30, 12, tzinfo=UTC)
    maintain(folder, Keep(keep_days=60, keep_monthly=24), now)
    assert sorted({c.snapshot_date for c in commits(folder)}) == [damaged, last, newest]


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
