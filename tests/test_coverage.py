"""A re-run replaces only what it could read; a listing that was cut short is never taken for all."""

from collections.abc import Callable
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.errors import TargetError
from flows.parameters import ParameterError, SnapshotParameters
from flows.pipeline import Summary, take_snapshot
from flows.summary import exit_status, lines
from lake.warehouse import connect

pytestmark = pytest.mark.usefixtures("emulator", "at_once")

HOME = ACCOUNTS[0]
EAST, WEST = REGIONS[:2]
DATE = "2025-11-20"
Parameters = Callable[..., SnapshotParameters]
Snap = Callable[..., Summary]
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def snap(parameters: Parameters) -> Snap:
    """Takes a snapshot of the home account, of one region unless others are given."""
    return lambda **given: take_snapshot(parameters(**{"date": DATE, "region": [EAST], **given}))


@pytest.fixture
def ask(parameters: Parameters) -> Ask:
    """Asks the warehouse."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        with connect(parameters().warehouse) as connection:
            return connection.execute(query).fetchall()

    return rows


TARGETS = """
    select region, status, coverage, error_code, builds, carried_from
    from snapshot_targets order by region
"""
BUILDS = "select arn from current_builds order by arn"


def test_a_failed_re_run_keeps_the_rows_that_the_date_had(
    snap: Snap, ask: Ask, emulator: Emulator
) -> None:
    """The row says that this run failed and whose builds are shown; when they were captured stays."""
    first = snap(region=[EAST, WEST])
    before = ask("select * exclude (run_id) from image_builds order by arn")
    captured = ask("select region, captured_at from snapshot_targets order by all")

    emulator.set_faults(f"{HOME}/{EAST}", {"always": "access_denied"})
    second = snap(region=[EAST, WEST])
    assert exit_status(first) == 0
    assert exit_status(second) == 3
    east, west = (target.builds for target in first.targets)
    assert ask(TARGETS) == [
        (EAST, "failed", "whole", "AccessDeniedException", east, first.run_id),
        (WEST, "complete", "whole", None, west, None),
    ]
    after = ask("select * exclude (run_id) from image_builds order by arn")
    of_east = [row for row in before if EAST in row]
    assert [row for row in after if EAST in row] == of_east
    assert len(after) == len(before)
    again = ask("select region, captured_at from snapshot_targets order by all")
    assert again[0] == captured[0]
    assert again[1] > captured[1]
    assert ask("select status, image_builds_count from snapshots") == [("partial", len(after))]
    assert ask("select distinct run_id from image_builds") == [(second.run_id,)]


def test_rows_are_carried_over_many_re_runs_with_their_first_reader(
    snap: Snap, ask: Ask, emulator: Emulator
) -> None:
    first = snap(region=[EAST, WEST])
    emulator.set_faults(f"*/{EAST}", {"always": "access_denied"})
    snap(region=[EAST, WEST])
    snap(region=[EAST, WEST])
    east, west = (target.builds for target in first.targets)
    assert ask(TARGETS) == [
        (EAST, "failed", "whole", "AccessDeniedException", east, first.run_id),
        (WEST, "complete", "whole", None, west, None),
    ]
    assert len(ask(BUILDS)) == east + west


def test_a_failure_without_an_earlier_run_is_not_an_empty_region(
    snap: Snap, ask: Ask, emulator: Emulator
) -> None:
    """The target is failed, its builds are unknown, and nothing shows it as read."""
    emulator.set_faults(f"*/{EAST}", {"always": "access_denied"})
    summary = snap(region=[EAST, WEST])
    assert exit_status(summary) == 3
    assert ask(TARGETS) == [
        (EAST, "failed", "none", "AccessDeniedException", 0, None),
        (WEST, "complete", "whole", None, summary.targets[1].builds, None),
    ]
    assert ask("select region from snapshot_targets where captured_at is null") == [(EAST,)]
    assert ask("select region from current_targets") == [(WEST,)]


def test_a_run_that_reads_nothing_commits_nothing(snap: Snap, ask: Ask, emulator: Emulator) -> None:
    """What the date shows stands; the error names a target and what to do."""
    snap()
    before = ask("from snapshot_targets")
    emulator.set_faults("*", {"always": "access_denied"})
    with pytest.raises(TargetError, match=f"nothing could be read of 1 target; {HOME}/{EAST}: Acc"):
        snap()
    assert ask("from snapshot_targets") == before


def test_a_re_run_for_another_region_keeps_the_dates_others(snap: Snap, ask: Ask) -> None:
    first = snap(region=[EAST])
    second = snap(region=[WEST])
    (east,), west = first.targets, second.asked[0]
    assert ask(TARGETS) == [
        (EAST, "complete", "whole", None, east.builds, first.run_id),
        (WEST, "complete", "whole", None, west.builds, None),
    ]
    assert len(ask(BUILDS)) == east.builds + west.builds
    assert ask("select status from snapshots") == [("complete",)]


def test_a_limit_ends_truncated_and_says_where_to_go_on(snap: Snap, ask: Ask) -> None:
    summary = snap(max_items=50)
    (target,) = summary.targets
    token = target.outcome.resume_token
    assert token is not None
    assert exit_status(summary) == 3
    go_on = f"    go on with --date {DATE} --region {EAST} --starting-token {token}"
    assert any(line.startswith(go_on) for line in lines(summary, "", ""))
    assert ask(TARGETS) == [(EAST, "truncated", "part", "MaxItems", 50, None)]
    assert ask("select resume_token from snapshot_targets") == [(token,)]
    assert ask(BUILDS) == []


def pieces(snap: Snap, *sizes: int | None) -> list[Summary]:
    """Snapshots of the date, each going on where the one before was cut short."""
    taken: list[Summary] = []
    for size in sizes:
        token = taken[-1].targets[0].outcome.resume_token if taken else None
        taken.append(snap(max_items=size, starting_token=token))
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(50, None), (30, 45, None)], ids=str)
def test_the_pieces_of_a_listing_make_a_whole(
    snap: Snap, ask: Ask, sizes: tuple[int | None, ...]
) -> None:
    """No build comes twice and none is missing, in any table, as if it had been one listing."""
    whole = snap(date="2025-11-19")
    *heads, last = pieces(snap, *sizes)
    assert [exit_status(head) for head in heads] == [3] * len(heads)
    assert exit_status(last) == 0
    coverage = "select status, coverage, builds from snapshot_targets order by snapshot_date"
    assert ask(coverage) == [("complete", "whole", whole.targets[0].builds)] * 2
    for table in ("image_builds", "image_amis", "image_containers", "image_region_failures"):
        shown = f"select * exclude (snapshot_date, run_id, captured_at) from {table}"  # noqa: S608 - the tests' own words
        one, other = (
            ask(f"{shown} where snapshot_date = date '{day}' order by all")
            for day in ("2025-11-19", DATE)
        )
        assert one == other
        assert one


def test_a_token_without_its_head_is_truncated(snap: Snap, ask: Ask) -> None:
    """On another date the lake lacks what came before it."""
    (head,) = pieces(snap, 50)
    tail = snap(date="2025-11-21", starting_token=head.targets[0].outcome.resume_token)
    assert exit_status(tail) == 3
    shown = "select status, coverage, error_code from snapshot_targets order by snapshot_date"
    assert ask(shown) == [
        ("truncated", "part", "MaxItems"),
        ("truncated", "part", "StartingToken"),
    ]
    assert ask(BUILDS) == []


def test_a_truncated_re_run_does_not_replace_a_whole_capture(snap: Snap, ask: Ask) -> None:
    whole = snap()
    cut = snap(max_items=50)
    assert exit_status(cut) == 3
    (target,) = whole.targets
    assert ask(TARGETS) == [(EAST, "truncated", "whole", "MaxItems", target.builds, whole.run_id)]
    assert len(ask(BUILDS)) == target.builds


def test_a_whole_re_run_replaces_a_truncated_capture(snap: Snap, ask: Ask) -> None:
    snap(max_items=50)
    whole = snap()
    (target,) = whole.targets
    assert exit_status(whole) == 0
    assert ask(TARGETS) == [(EAST, "complete", "whole", None, target.builds, None)]


def test_a_narrow_run_over_a_whole_capture_is_refused(snap: Snap, ask: Ask) -> None:
    """It would replace all builds of the date by some; another date takes it."""
    snap()
    before = ask(TARGETS)
    with pytest.raises(ParameterError, match=r"^--filter, .*give it another --lake or --date"):
        snap(filter=["platform=Windows"])
    assert ask(TARGETS) == before

    narrow = snap(date="2025-11-21", filter=["platform=Windows"])
    assert exit_status(narrow) == 0
    assert ask("select coverage from snapshot_targets order by snapshot_date") == [
        ("whole",),
        ("filtered",),
    ]
    assert ask("select snapshot_date::varchar, coverage from current_targets") == [(DATE, "whole")]


@pytest.mark.slow
def test_emulated_and_real_builds_never_share_a_lake(
    snap: Snap, parameters: Parameters, ask: Ask
) -> None:
    """Whichever came first; here the tests' endpoint stands for AWS."""
    snap()
    before = ask(TARGETS)
    with pytest.raises(ParameterError, match="it holds real snapshots; give emulated ones another"):
        snap(demo=True)
    assert ask(TARGETS) == before

    other = parameters().warehouse.with_name("demo")
    elsewhere = {"lake": str(other / "lake"), "warehouse": other / "imagelake.duckdb"}
    snap(demo=True, **elsewhere)
    with pytest.raises(ParameterError, match="it holds emulated snapshots; give real ones another"):
        snap(**elsewhere)


def test_an_account_without_builds_has_a_snapshot_of_no_rows(
    snap: Snap, ask: Ask, emulator: Emulator
) -> None:
    """It was read: that there is nothing is known, and when."""
    emulator.set_faults("*", {"empty": True})
    summary = snap()
    assert exit_status(summary) == 0
    assert ask(TARGETS) == [(EAST, "complete", "whole", None, 0, None)]
    assert ask("select captured_at is not null from current_targets") == [(True,)]
    assert ask("select status, image_builds_count from snapshots") == [("complete", 0)]
    for view in ("image_builds", "current_builds", "golden_amis", "failed_builds", "image_tags"):
        assert ask(f"from {view}") == []


def test_a_region_that_is_not_enabled_is_skipped(snap: Snap, ask: Ask, emulator: Emulator) -> None:
    """It counts as read, but never as empty."""
    emulator.set_faults(f"*/{WEST}", {"region_disabled": True})
    summary = snap(region=[EAST, WEST])
    assert exit_status(summary) == 0
    shown = "select region, status, coverage from snapshot_targets order by region"
    assert ask(shown) == [(EAST, "complete", "whole"), (WEST, "skipped", "none")]
    assert ask("select region from current_targets") == [(EAST,)]


def test_several_accounts_are_kept_apart(snap: Snap, ask: Ask, emulator: Emulator) -> None:
    """One denied account costs the others nothing."""
    emulator.set_faults(f"{ACCOUNTS[1]}/*", {"sts_denied": True})
    summary = snap(role_arn=emulator.role_arns())
    assert exit_status(summary) == 3
    query = "select account_id, status, error_code, builds > 100 from snapshot_targets order by 1"
    assert ask(query) == [
        (ACCOUNTS[0], "complete", None, True),
        (ACCOUNTS[1], "failed", "AccessDenied", False),
        (ACCOUNTS[2], "complete", None, True),
    ]
