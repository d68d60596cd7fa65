"""Whatever happens over time, every view of history says what was seen when, and no more.

A history is drawn with a fixed seed and taken through the whole pipeline; what the views must say is
found in plain Python. `make fuzz` does so for many more.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from extract.emulator import Emulator
from lake.warehouse import connect
from tests.fuzz.campaign import local_endpoint
from tests.fuzz.chronicle import Chronicle
from tests.fuzz.ledger import Ledger, is_refused
from tests.fuzz.plans import CARE, DAYS, HOWS, TARGETS, Step, draw_plan, name_of

SEEDS = (3, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 8)))


def plan_of(seed: int) -> list[Step]:
    return draw_plan(Random(seed))  # noqa: S311 - the same for a seed, no secret


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Emulator]:
    with local_endpoint() as emulator:
        yield emulator


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_every_view_tells_a_random_history(endpoint: Emulator, lake: Path, seed: int) -> None:
    assert list(Chronicle(endpoint, lake).follow(plan_of(seed))) == []


@pytest.mark.slow
def test_what_is_told_wrong_is_found(endpoint: Emulator, lake: Path) -> None:
    """A build that a target did not send, a run that does not show, a view that leaves one out."""
    arn, target = "arn:aws:imagebuilder:us-east-1:111122223333:image/a/1.0.0/1", TARGETS[0]
    answers: dict[str, Any] = {name_of(each): {"how": "unasked"} for each in TARGETS}
    answers[name_of(target)] = {"how": "whole", "pages": [[{"arn": arn, "name": "A"}]]}
    chronicle = Chronicle(endpoint, lake)
    steps = [{"do": "run", "day": day, "answers": answers} for day in DAYS[:2]]
    assert list(chronicle.follow(steps)) == []
    right = chronicle.ledger.commits
    (run_id, shown), day = right[DAYS[0]][0], DAYS[0]

    other = {target: replace(shown[target], builds=({"arn": arn, "name": "B"},))}
    chronicle.ledger = Ledger({**right, day: [(run_id, other)]})
    (wrong,) = chronicle.wrong_in_files()
    assert wrong.startswith(f"{day} builds $.{name_of(target)}.{arn}.name: sent 'B', read 'A'")
    chronicle.ledger = Ledger({**right, day: [("another", shown)]})
    assert f"{day}: no commit of run another" in list(chronicle.wrong_in_files())

    chronicle.ledger = Ledger(right)
    told = chronicle.told()
    max(told.runs.items())[1]["image_builds"][0]["name"] = "B"  # type: ignore[index]  # a list
    with connect(lake.with_suffix(".duckdb")) as connection:
        answered = list(chronicle.answers(connection, told))
        wrong_views = {words for words, is_right in answered if not is_right()}
    views = {"image_builds", "build_changes", "build_history", "current_builds"}
    calls = {f"builds_as_of {DAYS[2]}", f"snapshot_diff('{DAYS[0]}', '{DAYS[2]}')"}
    assert wrong_views >= views | calls
    assert not wrong_views & {"image_amis", "current_tags", f"builds_as_of {DAYS[0]}"}


def test_the_histories_are_as_eventful_as_they_should_be() -> None:
    """A draw that has lost one of its events would prove less, silently."""
    plans = [plan_of(seed) for seed in range(40)]
    steps = [step for plan in plans for step in plan]
    runs = [step for step in steps if step["do"] == "run"]
    counts = Counter(step["do"] for step in steps)
    counts.update(a["how"] for step in runs for a in step["answers"].values())
    counts["refused"] = sum(map(is_refused, runs))
    counts["out of order"] = sum(days_of(plan) != sorted(days_of(plan)) for plan in plans)
    counts["run again"] = sum(len(set(days_of(plan))) < len(days_of(plan)) for plan in plans)
    ledgers = [ledger_of(plan) for plan in plans]
    counts.update(
        f"shown {standing.coverage}, carried" if standing.carried_from else standing.coverage
        for ledger in ledgers
        for _, shown in ledger.shown().values()
        for standing in shown.values()
    )
    assert {name for name, count in counts.items() if count >= 5} >= {
        *("run", *CARE, *HOWS, "refused", "out of order", "run again"),
        *("whole", "part", "none", "shown whole, carried", "shown part, carried"),
    }


def days_of(plan: list[Step]) -> list[str]:
    return [step["day"] for step in plan if step["do"] == "run"]


def ledger_of(plan: list[Step]) -> Ledger:
    """What the runs of a plan must show."""
    ledger = Ledger()
    for number, step in enumerate(plan):
        if step["do"] == "run" and not is_refused(step):
            ledger.ran(step, f"run {number}")
    return ledger
