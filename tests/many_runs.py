"""Many runs of random builds, whose newest a date shows: a join prunes the files of the others."""

import random
from datetime import UTC, date, datetime, timedelta
from shutil import copytree

import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.maintain import maintain
from lake.retention import Keep
from tests.test_writer import Rows, commit_rows

# The newest row of each key, computed by `qualify row_number() … = 1` over all columns of a view,
# on a lake whose files are pruned by the join: the shape of duckdb issue 26044.

FIRST_DAY = date(2025, 11, 10)
KEYS = {
    "image_builds": "account_id, region, arn",
    "image_amis": "account_id, region, image_arn, position",
    "current_builds": "image_owner_account, image_slug",
}


@pytest.fixture(scope="session")
def many_written(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Four dates, each with runs that were superseded, of several files and row groups."""
    folder = open_folder(str(tmp_path_factory.mktemp("many") / "lake"))
    dice = random.Random(26044)  # noqa: S311 - rows, no secret
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        patch.setattr("lake.writer.ROW_GROUP_ROWS", 40)
        patch.setattr("lake.writer.PART_ROWS", 120)
        for day, runs in enumerate((3, 1, 2, 3)):
            for run in range(runs):
                rows = _random_run(dice, f"{day}.{run}", 300 + 50 * run)
                commit_rows(folder, FIRST_DAY + timedelta(days=day), rows)
    return folder


@pytest.fixture(scope="module", params=["cleaned up", "as written"])
def many_runs(
    request: pytest.FixtureRequest,
    many_written: Folder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Folder:
    """A copy of them. As written, the current rows of every run lie beside each other; clean-up has
    removed all but the last, and moved the records of the other runs.
    """
    folder = open_folder(str(tmp_path_factory.mktemp("many") / "lake"))
    copytree(many_written.root, folder.root)
    if request.param == "cleaned up":
        for days in (2, 4):
            maintain(folder, Keep(compact=False), datetime.now(UTC) + timedelta(days=days))
    states = len(list(folder.root.glob("_current/image_builds/state=2*")))
    records = len(list(folder.root.glob("_commits/*.json")))
    assert (states, records) == ((1, 1) if request.param == "cleaned up" else (9, 9))
    return folder


def _random_run(dice: random.Random, label: str, count: int) -> Rows:
    """Builds whose every text says which run wrote it; each run has its own choice of them."""
    targets = [("111111111111", "us-east-1"), ("222222222222", "eu-west-1")]
    builds = [
        {
            "account_id": account,
            "region": region,
            "arn": f"arn/{number}",
            "name": f"name {number} of {label}",
            "state_status": dice.choice(["AVAILABLE", "FAILED", "BUILDING"]),
            "state_reason": f"reason of {label}",
            "image_owner_account": account,
            "image_slug": f"slug-{number % 17}",
            "version_major": number,
            "created_at": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
            "tags": [("run", label), ("n", str(number))],
            "extra": f'{{"run":"{label}"}}' if number % 3 else None,
        }
        for account, region in targets
        for number in dice.sample(range(count * 2), count)
    ]
    amis = [
        {
            **{name: build[name] for name in ("account_id", "region")},
            "image_arn": build["arn"],
            "position": position,
            "ami_id": f"ami-{label}-{position}",
            "ami_name": f"{build['name']} {position}",
        }
        for build in builds
        for position in range(2)
    ]
    covered = [
        {
            "account_id": account,
            "region": region,
            "status": "complete",
            "coverage": "whole",
            "builds": count,
            "request": "{}",
        }
        for account, region in targets
    ]
    return {
        "image_builds": builds,
        "image_amis": amis,
        "snapshot_targets": covered,
        "snapshots": [{"status": "complete"}],
    }


def newest_query(view: str) -> str:
    """All columns of the newest row of each key."""
    order = "version_major" if view == "current_builds" else "snapshot_date"
    return (
        f"select * from {view} "  # noqa: S608 - the tests' own words
        f"qualify row_number() over (partition by {KEYS[view]} order by {order} desc) = 1"
    )
