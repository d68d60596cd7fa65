"""A log has a line for each of few targets, and of many only for those in trouble."""

from extract.targets import Target, TargetOutcome
from flows.metrics import metrics_line
from flows.watch import FEW_TARGETS, Lines, key_values
from tests.summaries import PARTIAL, TARGETS


def ended(number: int, status: str = "complete") -> TargetOutcome:
    return TargetOutcome(f"{number:012}", "eu-west-1", status, pages=1, builds_listed=9, requests=1)


def log_of(outcomes: list[TargetOutcome]) -> list[str]:
    said: list[str] = []
    lines = Lines(said.append, key_values)
    lines.planned([Target(outcome.account_id, outcome.region) for outcome in outcomes])
    for outcome in outcomes:
        lines.called(outcome)
    return said


def test_each_of_few_targets_has_a_line() -> None:
    said = log_of([ended(number) for number in range(FEW_TARGETS)])
    assert said[0] == "reading 50 targets"
    assert said[1:] == [
        f"target={number:012}/eu-west-1 status=complete pages=1 builds=9 requests=1 throttles=0"
        for number in range(FEW_TARGETS)
    ]


def test_of_many_targets_those_in_trouble_have_a_line() -> None:
    """And at the end, besides now and then, one says how all ended."""
    outcomes = [ended(number) for number in range(1_998)]
    said = log_of([*outcomes, ended(1_998, "truncated"), ended(1_999, "failed")])
    counts = "pages=1 builds=9 requests=1 throttles=0"
    assert said == [
        "reading 2,000 targets",
        f"target=000000001998/eu-west-1 status=truncated {counts}",
        f"target=000000001999/eu-west-1 status=failed {counts}",
        "targets=2000 ended=2000 complete=1998 failed=1 truncated=1",
    ]


def test_very_many_troubles_are_counted() -> None:
    said = log_of([ended(number, "failed") for number in range(2_000)])
    assert len(said) == 1 + FEW_TARGETS + 1
    assert said[-1] == "targets=2000 ended=2000 failed=2000"


def test_a_target_is_told_by_key_and_value() -> None:
    """What the service said is one JSON text."""
    assert key_values(TARGETS[2].outcome) == (
        "target=111122223333/eu-west-1 status=failed pages=0 builds=0 requests=1 throttles=0 "
        'seconds=2.5 error_code=AccessDeniedException error="User is not authorized | see '
        '<b>https://evil.example</b>; have the policy changed"'
    )


def test_a_run_is_told_in_numbers() -> None:
    assert metrics_line(PARTIAL) == (
        "run=20251120T020000000000Z-1a2b3c4d snapshot_date=2025-11-20 status=partial targets=3 "
        "complete=1 failed=1 truncated=1 builds=350 pages=4 requests=7 retries=3 throttles=2 "
        "written_bytes=65536 seconds=4.75 plan_seconds=0.25 land_seconds=2.75 write_seconds=1.0 "
        "commit_seconds=0.5 publish_seconds=0.25"
    )
