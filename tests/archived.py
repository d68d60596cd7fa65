"""Four dates whose records can move, where the records lie, and what shows."""

from datetime import date, timedelta
from shutil import copytree
from typing import Any

import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.records import COMMITS, OLDER, runs_of
from lake.retention import Keep
from lake.storage import Lake
from tests.committed import Reader, of_builds
from tests.test_writer import DAY, commit_rows

DAYS = [DAY + timedelta(days=number) for number in range(4)]
ALL = [DAYS[0], DAYS[1], DAYS[1], DAYS[2], DAYS[3]]
KEEP = Keep(grace=timedelta(days=1000), compact=False)
PLACES = (COMMITS, OLDER)
VIEWS = ("visible_runs", "image_builds", "snapshots", "current_builds", "current_targets")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Four dates; the second has a run that was superseded."""
    made = open_folder(str(tmp_path_factory.mktemp("written") / "lake"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day in (*DAYS[:2], *DAYS[1:]):
            commit_rows(made, day, of_builds(f"{day}/{len(runs_of(made, day))}"))
    return made


@pytest.fixture
def folder(folder: Folder, written: Folder) -> Folder:
    """A copy of it, file by file with its times."""
    copytree(written.root, folder.root)
    return folder


def places(target: Lake, folder: str) -> list[date]:
    """Of the records' files that lie in that folder, the dates in their names."""
    found = (file.path.removeprefix(f"{folder}/") for file in target.files(folder))
    return [date.fromisoformat(name[:10]) for name in found if "/" not in name]


def shown(reader: Reader) -> dict[str, list[tuple[Any, ...]]]:
    return {view: reader.rows(f"from {view} order by all") for view in VIEWS}
