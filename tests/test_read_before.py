"""What was read before is never told as not there, or as gone, because less was asked or answered."""

from collections.abc import Callable

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.parameters import ParameterError, SnapshotParameters
from flows.pipeline import Summary, take_snapshot
from flows.summary import exit_status, lines
from lake.warehouse import connect

pytestmark = pytest.mark.usefixtures("emulator", "at_once")

HOME, OTHER = ACCOUNTS[:2]
EAST, WEST, THIRD = REGIONS[:3]
ROLE = "arn:aws:iam::{}:role/imagelake"
Snap = Callable[..., Summary]


@pytest.fixture
def snap(parameters: Callable[..., SnapshotParameters]) -> Snap:
    """Takes a snapshot of a day of November."""
    return lambda day, **given: take_snapshot(parameters(date=f"2025-11-{day}", **given))


@pytest.fixture
def disappeared(parameters: Callable[..., SnapshotParameters]) -> Callable[[], int]:
    """Asks how many builds are gone from the list."""

    def count() -> int:
        with connect(parameters().warehouse) as connection:
            ((found,),) = connection.execute("select count(*) from disappeared_builds").fetchall()
        return int(found)

    return count


def of_regions(summary: Summary) -> dict[str, str]:
    return {target.outcome.region: target.outcome.status for target in summary.asked}


def test_a_key_that_is_refused_where_it_was_good_is_a_failure(
    snap: Snap, emulator: Emulator
) -> None:
    """Its session may have been revoked; a region that was never read is one that is not enabled."""
    snap(16, region=[EAST, WEST])
    for region in (WEST, THIRD):
        emulator.set_faults(f"{HOME}/{region}", {"always": "unrecognized_client"})
    summary = snap(17, region=[EAST, WEST, THIRD])
    assert of_regions(summary) == {EAST: "complete", WEST: "failed", THIRD: "skipped"}
    assert exit_status(summary) == 3
    said = lines(summary, "", "")
    assert f"skipped, not there for the account: {HOME}/{THIRD}" in said
    (refused,) = (line for line in said if line.startswith(f"  {HOME}/{WEST} failed: "))
    assert refused.endswith("; it was read on 2025-11-16")


@pytest.mark.slow
def test_it_is_a_failure_in_processes_too(snap: Snap, emulator: Emulator) -> None:
    snap(16, region=[EAST, WEST])
    emulator.set_faults(f"{HOME}/{WEST}", {"always": "unrecognized_client"})
    summary = snap(17, region=[EAST, WEST], processes=2)
    assert of_regions(summary) == {EAST: "complete", WEST: "failed"}


def test_many_skipped_targets_are_counted(snap: Snap, emulator: Emulator) -> None:
    for region in REGIONS[1:]:
        emulator.set_faults(f"*/{region}", {"always": "opt_in_required"})
    roles = [ROLE.format(account) for account in ACCOUNTS]
    summary = snap(16, region=list(REGIONS), role_arn=roles)
    (said,) = (line for line in lines(summary, "", "") if line.startswith("skipped, "))
    count = len(ACCOUNTS) * (len(REGIONS) - 1)
    assert said.count("/") == 3
    assert said.endswith(f", {count - 3} more")


def test_an_owner_who_is_not_asked_for_any_more_has_not_lost_its_builds(
    snap: Snap, disappeared: Callable[[], int]
) -> None:
    """But by --accept-drop, from then on."""
    wide = snap(16, region=[EAST], owner=["Self", "Amazon", "Shared"])
    with pytest.raises(ParameterError) as refusal:
        snap(17, region=[EAST])
    assert str(refusal.value) == (
        f"--owner: the snapshot of 2025-11-16 has {HOME}/{EAST} of Amazon and Shared too, whose builds "
        "would seem to have disappeared: give --owner Amazon --owner Shared as well, or --accept-drop "
        "to be without them from now on"
    )
    snap(17, region=[EAST], owner=["Shared", "Amazon", "Self"])
    assert disappeared() == 0
    own = snap(18, region=[EAST], accept_drop=True)
    lost = wide.row_counts["image_builds"] - own.row_counts["image_builds"]
    assert lost > 0
    assert disappeared() == lost
    snap(19, region=[EAST])


def test_a_narrowed_snapshot_asks_what_it_likes(snap: Snap, disappeared: Callable[[], int]) -> None:
    """It is compared with no whole one."""
    snap(16, region=[EAST], owner=["Self", "Amazon"])
    snap(17, region=[EAST], owner=["Amazon"])
    snap(18, region=[EAST], filter=["platform=Linux"])
    assert disappeared() == 0


def test_a_listing_by_a_role_goes_on_by_it(snap: Snap) -> None:
    roles = [ROLE.format(account) for account in (HOME, OTHER)]
    summary = snap(16, region=[EAST], role_arn=roles, max_items=50)
    hints = [line.split() for line in lines(summary, "", "") if "--starting-token" in line]
    assert [hint[:9] for hint in hints] == [
        ["go", "on", "with", "--date", "2025-11-16", "--role-arn", role, "--region", EAST]
        for role in roles
    ]
