"""No reader ever sees half a commit, whenever its writer is killed; and the test could tell if so.

The short form: a few dozen kills on a disk. `make torture` runs the long one.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.test_duckdb_versions import python_with
from tests.torture.campaign import FIRST_DAY, Campaign, Outcome, one_of_each_kind
from tests.torture.long import OTHER_VERSION, last_word
from tests.torture.readers import Kind, Readers, reading
from tests.torture.writers import Place

SEED = 20251120
SLOW_SECONDS = 0.05
"""The slow disk: so long from the naming of a record to its showing."""
COMMITS = 5
"""So many on a slow disk show that the right protocol bears it."""
MOST_COMMITS = 25
"""The wrong ones are caught within so many on a busy machine; a few are enough as a rule."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "lake"), tmp_path, orphan_seconds=5.0, grace_seconds=3.0)


@pytest.fixture(scope="module")
def other_live() -> Kind:
    """A reader with the other DuckDB; with the installed one where pip cannot get it."""
    try:
        return Kind("live", python_with(OTHER_VERSION), OTHER_VERSION)
    except pytest.skip.Exception:
        return Kind("live")


@pytest.mark.slow
@pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_killed_writer_shows_nothing_or_everything(
    place: Place, other_live: Kind, *, is_whole: bool
) -> None:
    """Killed once at each kind of step of a run: all files of every record are there, no reader sees
    a mixture, the next run is done, and clean-up, killed itself, leaves nothing of the killed.

    In short at the steps around the commit, and a few others.
    """
    campaign = Campaign(place, SEED)
    campaign.undisturbed("run", campaign.next_day())
    steps = one_of_each_kind(
        campaign.undisturbed("run", campaign.next_day()).steps, campaign.random
    )
    if not is_whole:
        others = [s for s in steps if isinstance(s, int) or s[0] not in NEAR_THE_COMMIT]
        steps = [step for step in steps if step not in others] + campaign.random.sample(others, 6)
    campaign.undisturbed("pin", campaign.any_day())
    kinds = [Kind("live"), other_live, Kind("frozen")]
    with reading(place, kinds, SEED) as readers:
        readers.wait_for_reads(1)
        campaign.run(
            [
                campaign.at_steps("run", partial(campaign.next_day, first), steps[part::2])
                for part, first in enumerate((FIRST_DAY, FIRST_DAY + timedelta(days=100)))
            ],
            [campaign.at_random(("re-run", "rebuild", "rollback"), part_killed=0.3)],
        )
        campaign.undisturbed("re-run", campaign.any_day())
        readers.wait_for_reads(1)
    assert campaign.violations + readers.violations() == []
    assert {step for (_, step) in campaign.kills} >= NEAR_THE_COMMIT
    assert campaign.kill_count >= (40 if is_whole else 12)

    (place.folder / "maintained").touch()
    campaign.is_maintained = True
    with reading(place, [Kind("live"), other_live], SEED) as readers:
        readers.wait_for_reads(1)
        campaign.run(  # no other clean-up beside it, which would leave it no record to move
            [campaign.at_steps("maintain", campaign.any_day, IN_A_MOVE)],
            [campaign.at_random(("re-run", "rebuild", "rollback"), part_killed=0.5)],
        )
        campaign.run(
            [
                campaign.at_steps(
                    "maintain", campaign.any_day, (3, 12, 40, 90) if is_whole else (12,)
                )
            ],
            [campaign.at_random(("re-run", "rebuild", "rollback", "maintain"), part_killed=0.5)],
        )
        last_word(campaign)
        readers.wait_for_reads(1)
    assert campaign.violations + readers.violations() == []
    assert {("maintain", step) for step, _ in IN_A_MOVE} <= campaign.kills.keys()
    assert all(figures["reads"] for figures in readers.figures().values())


NEAR_THE_COMMIT = {
    "within write_bytes of a record",
    "before link of a record",
    "after link of a record",
    "after fsync of a record",
    "before unlink of a record",
    "after sleep",
}


IN_A_MOVE = (
    ("within write_bytes of a record", 2),
    ("before link of a record", 2),
    ("after link of a record", 1),
)
"""Clean-up writes a record only to move it; the third finds at least the one that the second left."""


# The same readers, where the protocol is wrong


def commit_under_readers(
    place: Place, most: int, is_enough: Callable[[Readers], bool] = lambda _: False
) -> list[str]:
    """What readers find wrong while some runs of one date are committed, none of them killed."""
    campaign = Campaign(place, SEED)
    day = campaign.next_day()
    outcomes: list[Outcome] = [campaign.do("run", day)]
    with reading(place, [Kind("live")] * 2, SEED) as readers:
        readers.wait_for_reads(1)
        for _ in range(most):
            outcomes.append(campaign.do("re-run", day))
            if is_enough(readers):
                break
    assert {outcome.how for outcome in outcomes} == {"done"}
    assert duckdb.__version__ in next(iter(readers.figures()))
    return readers.violations()


def caught(place: Place, wrong: str) -> bool:
    """Whether readers tell in those words what is wrong with a protocol."""

    def is_told(readers: Readers) -> bool:
        return any(wrong in words for words in readers.violations())

    return any(wrong in words for words in commit_under_readers(place, MOST_COMMITS, is_told))


@pytest.mark.long
def test_a_slow_disk_is_borne(place: Place) -> None:
    """What the delay is for: a record that is shown later than it was named."""
    slow = replace(place, slow_seconds=SLOW_SECONDS)
    assert commit_under_readers(slow, COMMITS) == []


@pytest.mark.long
def test_readers_tell_a_record_that_is_replaced(place: Place) -> None:
    """With but one record a date, the date is gone between the old one and the new."""
    wrong = replace(place, slow_seconds=SLOW_SECONDS, is_mutable=True)
    assert caught(wrong, "has disappeared")


@pytest.mark.long
def test_readers_tell_a_record_that_is_moved_at_once(place: Place) -> None:
    """Removed here and written there: whoever lists the folders in between misses the date."""
    campaign = Campaign(replace(place, slow_seconds=0.3, is_hasty=True), SEED)
    for _ in range(3):
        campaign.undisturbed("run", campaign.next_day())
    with reading(place, [Kind("live")] * 2, SEED) as readers:
        readers.wait_for_reads(1)
        campaign.undisturbed("maintain", FIRST_DAY)
        readers.wait_for_reads(1)
    assert campaign.violations == []
    assert any("has disappeared" in words for words in readers.violations())


def test_readers_tell_a_record_without_a_delay(place: Place) -> None:
    """A record that shows after its effect has begun shows in the midst of a transaction.

    A delay of 1 ms is none to this disk; the parameters refuse 0.
    """
    wrong = replace(place, slow_seconds=SLOW_SECONDS, visibility_seconds=0.001)
    assert caught(wrong, "changed within a transaction")
