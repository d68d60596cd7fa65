"""One run over many kinds of trouble at a time: each target ends by its own, every healthy one is read.

Real waiting, real timeouts, a real endpoint; the fault of each target is in `tests/troubles.py`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import Summary, take_snapshot
from flows.summary import exit_status, lines
from lake.warehouse import connect
from tests.conftest import CLOCK
from tests.troubles import ACCOUNTS, DENIED, EXPECTED, HEALTHY, HOME, OTHER, ROLE_DENIED, STORIES

TARGET_SECONDS = 4.0
RUN_SECONDS_MOST = 20.0
PAGE_SIZE = 10  # about 13 pages a target
DATE = "2025-11-20"
Parameters = Callable[..., SnapshotParameters]


@dataclass(frozen=True)
class Taken:
    """The run over all stories, and one of the same fleet before any trouble."""

    summary: Summary
    seconds: float
    warehouse: Path
    untroubled: dict[tuple[str, str], set[str]]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.warehouse) as connection:
            return connection.execute(query).fetchall()


def arns_by_target(warehouse: Path) -> dict[tuple[str, str], set[str]]:
    """The builds of each target in the lake."""
    with connect(warehouse) as connection:
        rows = connection.execute(
            "select account_id, region, list(arn) from image_builds group by all"
        ).fetchall()
    return {(account, region): set(arns) for account, region, arns in rows}


@pytest.fixture(scope="module")
def endpoint_in_trouble(start_emulator: Callable[..., Emulator]) -> Emulator:
    """An emulator of its own: calls that hang must not hold up another test's."""
    return start_emulator(accounts=ACCOUNTS, regions=tuple(STORIES), builds=120, clock=CLOCK)


def role(account: str) -> str:
    return f"arn:aws:iam::{account}:role/imagelake"


@pytest.fixture(scope="module")
def taken(endpoint_in_trouble: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """Takes both runs, each into a lake of its own."""
    emulator, root = endpoint_in_trouble, tmp_path_factory.mktemp("faults")

    def parameters(name: str) -> SnapshotParameters:
        elsewhere = [
            {"role_arn": role(account), "region": ["us-east-1"]} for account in (DENIED, OTHER)
        ]
        return SnapshotParameters.model_validate(
            {
                "lake": str(root / name),
                "warehouse": root / f"{name}.duckdb",
                "date": DATE,
                "region": list(STORIES),
                "page_size": PAGE_SIZE,
                "target_seconds": TARGET_SECONDS,
                "role_arn": [role(HOME)],
                "accounts": elsewhere,
            }
        )

    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment().items():
            patch.setenv(name, value)
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))  # nobody reads meanwhile
        emulator.set_faults(f"{HOME}/eu-north-1", {"empty": True})
        untroubled = parameters("untroubled")
        assert exit_status(take_snapshot(untroubled)) == 0
        for region, story in STORIES.items():
            emulator.set_faults(f"{HOME}/{region}", story.faults)
        emulator.set_faults(f"{DENIED}/*", ROLE_DENIED.faults)
        emulator.clear_requests()
        started = time.monotonic()
        summary = take_snapshot(parameters("troubled"))
        seconds = time.monotonic() - started
        emulator.clear_faults()
    return Taken(summary, seconds, root / "troubled.duckdb", arns_by_target(untroubled.warehouse))


def test_each_target_ends_by_its_own_trouble(taken: Taken) -> None:
    query = "select account_id, region, status, error_code from snapshot_targets order by all"
    assert taken.rows(query) == EXPECTED


def test_nothing_hangs(taken: Taken) -> None:
    """The slowest targets take their own limit, and all of them take it together."""
    assert TARGET_SECONDS <= taken.seconds < RUN_SECONDS_MOST


def test_every_healthy_target_has_every_build(taken: Taken) -> None:
    read = arns_by_target(taken.warehouse)
    healthy = [(HOME, region) for region in HEALTHY] + [(OTHER, "us-east-1")]
    for target in healthy:
        assert read.get(target, set()) == taken.untroubled.get(target, set()), target
    assert sum(len(taken.untroubled.get(target, ())) for target in healthy) > 700
    query = "select account_id, region from current_targets order by all"
    assert taken.rows(query) == sorted(healthy)


def test_no_build_comes_twice(taken: Taken) -> None:
    query = "select account_id, region, arn from image_builds group by all having count(*) > 1"
    assert taken.rows(query) == []


def test_what_landed_of_a_target_in_trouble_is_a_part_and_never_all(taken: Taken) -> None:
    """A target that failed before its first page is no empty one; only a read one counts as read."""
    query = """
        select region, coverage, pages, builds > 0, captured_at is not null
        from snapshot_targets where status not in ('complete', 'skipped') order by account_id, region
    """
    nothing, part = ("none", 0, False, False), ("part", 1, True, True)
    pages = {"ap-northeast-2": part, "ap-southeast-2": part, "ca-central-1": part}
    pages["ap-northeast-3"] = part
    in_trouble = [(HOME, r) for r, s in STORIES.items() if s.status in ("failed", "truncated")]
    assert taken.rows(query) == [
        (region, *pages.get(region, nothing)) for _, region in sorted(in_trouble)
    ] + [("us-east-1", *nothing)]


def test_every_message_says_what_to_do(taken: Taken) -> None:
    query = (
        "select account_id, region, error_message from snapshot_targets where status <> 'complete'"
    )
    said = {(account, region): message for account, region, message in taken.rows(query)}
    stories = {(HOME, region): story for region, story in STORIES.items()}
    stories |= {(DENIED, "us-east-1"): ROLE_DENIED}
    assert said.keys() == {key for key, story in stories.items() if story.words}
    for key, message in said.items():
        assert stories[key].words in message, key
        assert "\n" not in message


def test_the_summary_names_the_worst_first(taken: Taken) -> None:
    """Failed before cut short; skipped and read ones are not named. The run ends in 3."""
    assert exit_status(taken.summary) == 3
    said = [line.split() for line in lines(taken.summary, "", "")]
    ends = [(words[0], words[1].rstrip(":")) for words in said if "/" in words[0]]
    failed = [(f"{a}/{r}", s) for a, r, s, _ in EXPECTED if s == "failed"]
    truncated = [(f"{a}/{r}", s) for a, r, s, _ in EXPECTED if s == "truncated"]
    assert sorted(ends[: len(failed)]) == failed
    assert sorted(ends[len(failed) :]) == truncated


def test_the_status_names_those_in_trouble_first(taken: Taken) -> None:
    command = [str(Path(sys.executable).with_name("imagelake")), "status", "--format", "json"]
    command += ["--warehouse", str(taken.warehouse)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    told = [row["status"] for row in json.loads(ended.stdout)]
    trouble = [status in ("failed", "truncated") for status in told]
    assert trouble == sorted(trouble, reverse=True)
    assert len(told) == len(EXPECTED)


def test_a_listing_that_was_cut_off_in_time_goes_on_at_its_token(taken: Taken) -> None:
    """What was truncated leads on; what was refused for good after a page does too."""
    query = "select region from snapshot_targets where resume_token is not null order by 1"
    assert taken.rows(query) == [
        ("ap-northeast-2",),
        ("ap-southeast-2",),
        ("ca-central-1",),
    ]


# The end of a run


@pytest.mark.usefixtures("at_once")
def test_the_longest_unread_is_named_first(emulator: Emulator, parameters: Parameters) -> None:
    """A target that was never read is worse than one that was read yesterday."""
    regions = ["us-east-1", "us-west-2", "eu-west-1"]
    emulator.set_faults("*/us-west-2", {"always": "forbidden"})
    take_snapshot(parameters(region=regions, date="2025-11-19"))
    emulator.set_faults("*/us-east-1", {"always": "forbidden"})
    given = parameters(region=regions, date=DATE)
    said = lines(take_snapshot(given), "", "")
    assert [line.split()[0] for line in said if "failed: " in line] == [
        f"{HOME}/us-west-2",
        f"{HOME}/us-east-1",
    ]
    assert [line for line in said if "last read whole" in line] == [
        "    last read whole: never",
        "    last read whole: 2025-11-19",
    ]


def test_the_runs_own_limit_ends_every_target(
    endpoint_in_trouble: Emulator, parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that hang and those that wait for their rate; who was done by then is complete."""
    emulator = endpoint_in_trouble
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    regions = list(STORIES)[:6]
    emulator.clear_faults()
    emulator.set_faults("*", {"always": "hang:30"})
    emulator.set_faults(f"{HOME}/us-east-1", {"always": "ok"})
    emulator.set_faults(f"{HOME}/us-east-2", {"throttle": {"rate": 0.01}, "always": "ok"})
    given = parameters(region=regions, run_seconds=1.5, page_size=PAGE_SIZE)
    started = time.monotonic()
    summary = take_snapshot(given)
    seconds = time.monotonic() - started
    emulator.clear_faults()
    ends = {t.outcome.region: (t.outcome.status, t.outcome.error_code) for t in summary.targets}
    assert ends == {
        "us-east-1": ("complete", None),
        "us-east-2": ("truncated", "TimeLimit"),
        **dict.fromkeys(regions[2:], ("failed", "TimeLimit")),
    }
    assert exit_status(summary) == 3
    assert seconds < 8
