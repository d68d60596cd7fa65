"""Many targets at a time: one that waits, fails or is refused holds up and fails nobody else."""

import time
from functools import partial
from threading import get_ident

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import REGIONS
from extract.landing import Page
from extract.request import Request
from extract.schedule import LOOK_SECONDS, Width, run_listings
from extract.targets import Target, TargetOutcome
from tests.listing import ACCOUNT, REGION, TARGET, Listed, listing, sent_arns


def test_one_denied_target_fails_alone(emulator: Emulator) -> None:
    """The others complete, and the outcomes stay in the order of the targets."""
    emulator.set_faults(f"{ACCOUNT}/us-west-2", {"always": "access_denied"})
    emulator.set_faults(f"{ACCOUNT}/eu-west-1", {"region_disabled": True})
    regions = ("us-west-2", "us-east-1", "eu-west-1", "eu-central-1")
    pages: list[Page] = []
    outcomes = run_listings(
        [listing(pages.append, Request(), Target(ACCOUNT, region)) for region in regions],
        concurrency=4,
    )
    assert [(outcome.region, outcome.status) for outcome in outcomes] == [
        ("us-west-2", "failed"),
        ("us-east-1", "complete"),
        ("eu-west-1", "skipped"),
        ("eu-central-1", "complete"),
    ]
    assert {page.region for page in pages} == {"us-east-1", "eu-central-1"}


def test_a_target_that_waits_holds_nobody_up(emulator: Emulator) -> None:
    """One throttled target and one call at a time: the other is read to its end meanwhile."""
    emulator.set_faults(TARGET, {"errors": ["429", "429"]})
    pages: list[Page] = []
    listings = [
        listing(pages.append, Request(page_size=10), Target(ACCOUNT, r))
        for r in (REGION, "us-west-2")
    ]
    outcomes = run_listings(listings, concurrency=1)
    assert [outcome.status for outcome in outcomes] == ["complete", "complete"]
    regions = [page.region for page in pages]
    assert regions == sorted(regions, reverse=True)


def test_a_target_over_its_rate_is_read_to_its_end(emulator: Emulator) -> None:
    """With real waiting: a rate below that of the calls costs time and no build."""
    expected = sent_arns(emulator)
    emulator.set_faults(TARGET, {"throttle": {"rate": 20, "burst": 2}})
    pages: list[Page] = []
    (outcome,) = run_listings([listing(pages.append, Request(page_size=10))], concurrency=2)
    assert (outcome.status, outcome.error_code) == ("complete", None)
    assert outcome.throttles > 0
    assert Listed(outcome, pages, []).arns == expected


def test_progress_is_told_after_each_call(emulator: Emulator) -> None:
    told: list[TargetOutcome] = []
    (outcome,) = run_listings([listing(lambda _: None, Request(page_size=50))], 1, told.append)
    assert [each.requests for each in told] == list(range(1, outcome.requests + 1))
    assert told[-1] == outcome
    assert len(emulator.requests()) == outcome.requests


def test_a_page_that_cannot_be_kept_stops_everything(emulator: Emulator) -> None:
    """A full disk is no target's trouble: it is raised, not noted."""

    def land(_: Page) -> None:
        raise OSError(28, "No space left on device")

    listings = [
        listing(land, Request(), Target(ACCOUNT, region)) for region in (REGION, "us-west-2")
    ]
    with pytest.raises(OSError, match="No space left"):
        run_listings(listings, concurrency=2)
    assert len(emulator.requests()) <= 2


def test_no_targets_are_no_outcomes() -> None:
    assert run_listings([], concurrency=4) == []


def test_fewer_calls_are_made_where_they_keep_python_busy() -> None:
    """Few at first, as many as are allowed where they only wait; down to one."""
    now = [0.0, 0.0]  # of the clock, and of the CPU
    width = Width(16, lambda: (now[0], now[1]))

    def calls_after(seconds: float, cpu: float) -> int:
        now[0], now[1] = now[0] + seconds, now[1] + cpu
        width.follow_load()
        return width.calls

    assert calls_after(LOOK_SECONDS / 2, 0.0) == 4  # too soon to tell
    assert [calls_after(1.0, 0.0) for _ in range(3)] == [8, 16, 16]
    assert [calls_after(1.0, 1.0) for _ in range(8)] == [12, 9, 6, 4, 3, 2, 1, 1]
    assert calls_after(1.0, 0.9) == 1
    assert [calls_after(1.0, 0.8) for _ in range(3)] == [2, 3, 4]
    assert [calls_after(1.0, 0.0) for _ in range(3)] == [8, 16, 16]


@pytest.mark.parametrize(("load", "at_last"), [(1.0, 1), (0.0, 4)])
@pytest.mark.usefixtures("emulator")
def test_as_many_calls_are_under_way_as_the_load_allows(
    monkeypatch: pytest.MonkeyPatch, load: float, at_last: int
) -> None:
    """Of a process that is busy all the time, or never; once it could be told."""

    def clocks() -> tuple[float, float]:
        return time.monotonic(), load * time.monotonic()

    monkeypatch.setattr("extract.schedule.Width", partial(Width, clocks=clocks))
    under_way: set[int] = set()
    seen: list[int] = []

    def land(_: Page) -> None:
        under_way.add(get_ident())
        time.sleep(LOOK_SECONDS)
        seen.append(len(under_way))
        under_way.remove(get_ident())

    targets = [Target(ACCOUNT, region) for region in REGIONS[:4]]
    request = Request(page_size=10)
    outcomes = run_listings([listing(land, request, target) for target in targets], 4)
    assert {outcome.status for outcome in outcomes} == {"complete"}
    assert max(seen) > 1
    assert max(seen[len(seen) // 3 : len(seen) * 3 // 4]) == at_last
