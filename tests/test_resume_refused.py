"""What a run does not go on with: old pages, those of another request, of a living or committed run."""

import os
import subprocess
import time
from datetime import UTC, date, datetime
from typing import Any

import pytest

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from flows.pipeline import take_snapshot
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import commits
from lake.retention import Keep
from tests.interrupted import (
    EAST,
    HOME,
    WEST,
    Parameters,
    Undisturbed,
    asked,
    dates,
    given,
    in_any_order,
    interrupt,
    landed,
    landings,
    parameters,
    rows,
    run_command,
    take,
    undisturbed,
    wait_for,
)

__all__ = ["dates", "given", "parameters", "undisturbed"]  # fixtures are used by their names

pytestmark = pytest.mark.usefixtures("at_once")


def test_no_resume_begins_anew_and_the_interrupted_run_is_over(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """Its pages are older than what the date shows then: to go on with them would turn time back."""
    whole = undisturbed(emulator, given())
    interrupt(given(), 8)
    emulator.clear_requests()
    take(given(resume=False))
    assert in_any_order(asked(emulator)) == whole.asked
    assert rows(given()) == whole.rows
    emulator.clear_requests()
    take(given())
    assert begun(emulator) == {EAST, WEST}


@pytest.mark.parametrize(
    "other", [{"filter": ["platform=Windows"]}, {"date": "2025-01-01"}], ids=str
)
def test_another_request_or_date_begins_anew(
    emulator: Emulator, given: Parameters, other: dict[str, Any]
) -> None:
    interrupt(given(), 8)
    before = landed(given())
    emulator.clear_requests()
    take(given(**other))
    assert begun(emulator) == {EAST, WEST}
    assert set(before) <= set(landed(given()))


def begun(emulator: Emulator) -> set[str]:
    """The regions whose first page was asked for."""
    return {region for region, _, token in asked(emulator) if token is None}


def test_pages_of_a_target_that_is_not_asked_for_are_not_shown(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """The interrupted run had another region."""
    whole = undisturbed(emulator, given(region=[WEST]))
    interrupt(given(region=[EAST]), 4)
    emulator.clear_requests()
    summary = take(given(region=[WEST]))
    assert [target.outcome.region for target in summary.targets] == [WEST]
    assert {region for region, _, _ in asked(emulator)} == {WEST}
    assert rows(given()) == whole.rows


def test_a_committed_run_is_over(emulator: Emulator, given: Parameters) -> None:
    """The next one of its date asks for everything."""
    take(given())
    emulator.clear_requests()
    take(given())
    assert begun(emulator) == {EAST, WEST}


def test_pages_that_are_hours_old_are_read_again(emulator: Emulator, given: Parameters) -> None:
    """They are not shown as if they were the date's last word."""
    interrupt(given(), 8)
    (landing,) = landings(given())
    hours_ago = time.time() - 2 * 3600
    for file in landing.glob("pages-*"):
        os.utime(file, (hours_ago, hours_ago))
    emulator.clear_requests()
    take(given())
    assert begun(emulator) == {EAST, WEST}


@pytest.mark.slow
def test_a_living_run_keeps_its_pages(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """Two runs of a date side by side: each reads everything itself, and both commit."""
    parameters = given()
    whole = undisturbed(emulator, parameters)
    emulator.set_faults("*", {"latency_ms": 70})
    key = f"AKIA{HOME}LIVE"
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": key}
    living = subprocess.Popen(run_command(parameters), env=environment, stdout=subprocess.DEVNULL)
    wait_for(emulator, len(whole.asked) - 2, living)
    emulator.set_faults("*", {"latency_ms": 200})  # so that the living one commits well before
    take(parameters)
    assert living.wait(30) == 0
    calls: dict[bool, list[str]] = {True: [], False: []}
    for call in emulator.requests():
        if call["operation"] == LIST_BUILDS:
            told = str((call["region"], call["operation"], call["token"]))
            calls[call["access_key_id"] == key].append(told)
    assert sorted(calls[True]) == sorted(calls[False]) == whole.asked
    assert rows(parameters) == whole.rows


def test_pages_that_were_put_to_use_are_never_gone_on_with(
    emulator: Emulator, parameters: Parameters
) -> None:
    """Though no record tells any more that their run was committed: retention let its date go."""
    old = parameters(date="2025-10-01")
    take_snapshot(old)
    take_snapshot(parameters(date="2025-10-03"))
    lake = open_folder(old.lake)
    days = (datetime.now(UTC).date() - date(2025, 10, 2)).days
    maintain(lake, Keep(keep_days=days), datetime.now(UTC))
    assert not [record for record in commits(lake) if record.snapshot_date == old.date]
    assert len(landings(old)) == 1
    emulator.set_faults(f"*/{WEST}", {"always": "forbidden"})
    emulator.clear_requests()
    summary = take_snapshot(old)
    assert {region for region, _, _ in asked(emulator)} == {EAST}
    assert {(t.outcome.region, t.coverage) for t in summary.targets} == {
        (EAST, "whole"),
        (WEST, "none"),
    }
    assert len(landings(old)) == 2
