"""The files that processes of a run pack: the run's own where they are large, and none is ever left."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from extract.targets import TargetOutcome
from flows import batches
from flows.batches import BatchRead, rows_of_batches
from flows.parameters import SnapshotParameters
from flows.pipeline import PLAIN, take_snapshot
from flows.planning import Plan, lake_of, plan
from flows.watch import Silent, Watch
from flows.worker import Batch, read_batch_here
from lake.folder import Folder
from lake.parquet import StagedFile
from lake.writer import TablesWriter
from schemas.tables import TABLES
from tests.aws import Moto
from tests.s3 import environment, new_bucket
from tests.test_processes import given
from tests.test_writer import DAY, arrow_rows, write_run

__all__ = ["given"]  # the fixture is these tests' too

Parameters = Callable[..., SnapshotParameters]

ACCOUNT = "111122223333"

pytestmark = pytest.mark.usefixtures("at_once")


def staged_builds(lake: Folder, *arns_by_region: tuple[str, list[str]]) -> StagedFile:
    builds = TABLES["image_builds"].arrow_schema
    with TablesWriter(lake, {"image_builds": ("image_builds/attempt", builds)}) as writer:
        for region, arns in arns_by_region:
            rows = [{"account_id": ACCOUNT, "region": region, "arn": arn} for arn in arns]
            writer.append({"image_builds": arrow_rows("image_builds", rows)})
        (staged,) = writer.hand_over()["image_builds"]
    return staged


def test_a_file_is_taken_as_it_is_where_it_is_large_and_every_row_shows(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any other the rows are read that show, in their place."""
    monkeypatch.setattr(batches, "WORTH_A_FILE", 2)
    files = [
        staged_builds(folder, ("east", ["a", "b"])),
        staged_builds(folder, ("west", ["c"])),
        staged_builds(folder, ("north", ["d", "e"]), ("south", ["f"])),
    ]
    builds = [{"east": 2, "gone": 0}, {"west": 1}, {"north": 2, "south": 1}]
    read = [
        BatchRead(
            "", (), {}, Counter({(ACCOUNT, r): n for r, n in of.items()}), {"image_builds": (f,)}
        )
        for of, f in zip(builds, files, strict=True)
    ]
    own = {(ACCOUNT, region) for region in ("east", "west", "south")}
    listed: Counter[tuple[str, str]] = Counter()
    found = [tables["image_builds"] for tables in rows_of_batches(folder, read, own, listed)]
    assert found[0] is files[0]
    read_rows = [rows for rows in found[1:] if not isinstance(rows, StagedFile)]
    assert [rows["arn"].to_pylist() for rows in read_rows] == [["c"], ["f"]]
    assert len(found) == 3
    assert listed == {(ACCOUNT, "east"): 2, (ACCOUNT, "west"): 1, (ACCOUNT, "south"): 1}


def test_an_adopted_file_is_a_part_between_those_of_the_rows_around_it(folder: Folder) -> None:
    """Under the run's own name, with its digest; the rows stay in their order and count."""
    staged = staged_builds(folder, ("east", ["b", "c"]))
    before, after = (arrow_rows("image_builds", [{"arn": arn}]) for arn in "ad")
    run, _ = write_run(folder, DAY, {})
    with batches_writer(folder, run.run_id) as writer:
        for rows in (before, staged, after):
            writer.append({"image_builds": rows})
        assert writer.row_counts() == {"image_builds": 4}
        parts = writer.publish()["image_builds"]
    place = f"image_builds/{run.run_id}"
    assert [(part.path, part.row_count) for part in parts] == [
        (f"{place}/part-00000.v2.parquet", 1),
        (f"{place}/part-00001.v2.parquet", 2),
        (f"{place}/part-00002.v2.parquet", 1),
    ]
    found = [StagedFile(folder.path(part.path), 0).row_groups(["arn"]) for part in parts]
    assert [r["arn"].to_pylist() for groups in found for r in groups] == [["a"], ["b", "c"], ["d"]]
    assert not staged.file.exists()


def batches_writer(lake: Folder, name: str) -> TablesWriter:
    builds = TABLES["image_builds"].arrow_schema
    return TablesWriter(lake, {"image_builds": (f"image_builds/{name}", builds)})


@pytest.mark.slow
@pytest.mark.parametrize("ends", [True, False], ids=["committed", "interrupted"])
@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_what_a_lost_process_had_written_goes_with_its_run(
    given: Parameters,
    s3: Moto,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    ends: bool,
) -> None:
    """On the disk of the machine, be the lake there or in a bucket; and no folder stays for it."""
    asked = given()
    if where == "bucket":
        for name, value in environment(s3.url, tmp_path / "cache").items():
            monkeypatch.setenv(name, value)
        uri = f"s3://{new_bucket(s3)}/lake"
        asked = given(lake=uri, warehouse=tmp_path / "s3.duckdb", visibility_seconds=1)
    staged: list[Path] = []

    def land(parameters: SnapshotParameters, made: Plan, watch: Watch) -> tuple[TargetOutcome, ...]:
        lost = Batch(7, 9, replace(made, targets=made.targets[:2]))
        read = read_batch_here(parameters, lost, Silent())
        staged.extend(file.file for files in read.staged.values() for file in files)
        assert staged
        assert all(file.exists() for file in staged)
        if not ends:
            raise KeyboardInterrupt
        return PLAIN.land(parameters, made, watch)

    steps = replace(PLAIN, plan=plan, land=land)
    if ends:
        take_snapshot(asked, steps)
    else:
        with pytest.raises(KeyboardInterrupt):
            take_snapshot(asked, steps)
    assert not any(file.exists() for file in staged)
    assert [left for left in lake_of(asked).leftovers() if "_raw" not in left.path] == []
