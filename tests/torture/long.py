"""The long torture of one lake: without clean-up, with it, then what clean-up leaves."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lake.maintain import maintain
from lake.retention import Keep
from tests.test_duckdb_versions import python_with
from tests.torture.campaign import Campaign, Lane
from tests.torture.checks import problems_after_clean_up
from tests.torture.readers import Kind, Readers, reading

OTHER_VERSION = "2.0.0"
RUN_STEPS = 230
"""About so many steps has a run on a disk; on S3 fewer."""
CLEANING_STEPS = 150
"""About so many has a clean-up that follows another closely."""
SCATTERED_DATES = 5
SETTLED_AFTER = 2
"""So many clean-ups after the last compaction, what that superseded is gone and records are moved."""
AFTERWARDS = 4
"""Runs that nobody disturbs, once all others are over."""

Tick = Callable[[Campaign, Readers], None]
"""Called now and then with what is under way; may say how it goes."""


def kinds_of_readers(*, is_s3: bool) -> tuple[list[Kind], list[Kind]]:
    """Readers without and with clean-up. DuckDB 2.0.0 reads no S3 where it cannot get its extension.

    Where pip cannot get DuckDB 2.0.0 the installed one stands in.
    """
    own, other = Kind("live"), Kind("live")
    if is_s3:
        return [own, Kind("pinned")], [own, Kind("pinned")]
    with suppress(pytest.skip.Exception):
        other = Kind("live", python_with(OTHER_VERSION), OTHER_VERSION)
    pinned = replace(other, warehouse="pinned")
    return [own, other, pinned, Kind("frozen")], [own, other, pinned]


class LongTorture:
    """The long torture of a campaign's lake, of at least so many kills, in about so many seconds."""

    def __init__(self, campaign: Campaign, kills: int, seconds: float, tick: Tick) -> None:
        self.campaign, self.kills, self.tick = campaign, kills, tick
        self.seconds = seconds
        self.until = 0.0
        self.stride = max(1, round(RUN_STEPS * 1.3 / kills))
        self.readers: list[Readers] = []
        self.kinds = kinds_of_readers(is_s3=campaign.place.is_s3)

    def run(self) -> list[Readers]:
        """Everything in turn; the readers, whose reports stay."""
        busy = self._prepare()
        self._without_clean_up(busy)
        (self.campaign.place.folder / "maintained").touch()
        self.campaign.is_maintained = True
        self._with_clean_up(busy)
        return self.readers

    def _prepare(self) -> date:
        """Dates to write, some of which nobody writes again; returns the one that all are after."""
        campaign = self.campaign
        for _ in range(SCATTERED_DATES):
            day = campaign.next_day()
            campaign.undisturbed("scatter", day)
            campaign.reserved.add(day)
        busy = campaign.next_day()
        for operation in ("run", "re-run", "pin"):
            campaign.undisturbed(operation, busy)
        campaign.undisturbed("run", campaign.next_day())
        return busy

    def _without_clean_up(self, busy: date) -> None:
        campaign, stride = self.campaign, self.stride
        sweeps = [
            campaign.at_every_step("run", campaign.next_day, stride),
            self._in_turn(
                campaign.at_every_step("rollback", campaign.superseded_day, 2 * stride),
                campaign.at_every_step("rebuild", campaign.any_day, 2 * stride),
                campaign.at_every_step("publish", campaign.any_day),
                campaign.at_every_step("pin", campaign.any_day),
                campaign.at_every_step("re-run", campaign.any_day, 6 * stride),
            ),
        ]
        self.until = time.monotonic() + self.seconds * 0.6
        self._torture(self.kinds[0], sweeps, busy, self.kills * 2 // 3)

    def _with_clean_up(self, busy: date) -> None:
        campaign, stride = self.campaign, self.stride
        cleaning = list(range(1, CLEANING_STEPS, 3 * stride))
        campaign.random.shuffle(cleaning)
        sweeps = [
            campaign.sweep("compact", campaign.any_day, 3 * stride),
            campaign.at_steps("maintain", campaign.any_day, cleaning),
        ]
        self.until = time.monotonic() + self.seconds * 0.4
        self._torture(self.kinds[1], sweeps, busy, self.kills, ("maintain", "pin", "pin"))

    def _torture(
        self,
        kinds: Sequence[Kind],
        sweeps: Sequence[Lane],
        busy: date,
        kills: int,
        more: Sequence[str] = (),
    ) -> None:
        """Sweeps, then random kills up to the number; beside them two writers of the one date."""
        campaign = self.campaign
        operations = ("run", *["re-run", "rebuild", "rollback"] * 2, *more)
        at_busy = ("re-run", "re-run", "rebuild", "rollback")
        with reading(campaign.place, kinds, campaign.seed) as readers:
            self.readers.append(readers)
            readers.wait_for_reads(2)
            enough = campaign.at_random(operations, until=lambda: campaign.kill_count >= kills)
            campaign.run(
                [*sweeps, enough],
                [campaign.at_random(at_busy, lambda: busy, part_killed=0.6) for _ in range(2)],
                lambda: self._is_over(readers),
            )
            self._aborted_runs_stop_nothing()
            if more:
                last_word(campaign)
            readers.wait_for_reads(2)

    def _aborted_runs_stop_nothing(self) -> None:
        """Whatever the killed left of a date, the next run of it is done."""
        for _ in range(AFTERWARDS):
            self.campaign.undisturbed("re-run", self.campaign.any_day())

    def _in_turn(self, *lanes: Lane) -> Lane:
        for lane in lanes:
            yield from lane

    def _is_over(self, readers: Readers) -> bool:
        self.tick(self.campaign, readers)
        return time.monotonic() > self.until


def last_word(campaign: Campaign) -> None:
    """Past all ages clean-up leaves what shows, and nothing else."""
    age = timedelta(seconds=campaign.place.orphan_seconds)
    settled = 0
    while settled < SETTLED_AFTER:
        time.sleep(age.total_seconds() + 1.1)  # S3 tells whole seconds
        keep = Keep(grace=timedelta(0), orphan_age=age)
        done = maintain(campaign.lake, keep, datetime.now(UTC))
        is_compacted = any("written anew" in removal.reason for removal in done)
        settled = 0 if is_compacted else settled + 1
    campaign.violations += problems_after_clean_up(campaign.lake)
