"""Patience: how long to wait after each refusal, how soon to forget it, when to give up."""

import time

import pytest

from extract.errors import Kind, Problem
from extract.patience import MAX_FAILURES_IN_A_ROW, Limits, Patience

SPANS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MANY = range(200)


def problem(kind: Kind, retry_after_seconds: float | None = None) -> Problem:
    return Problem(kind, "Code", "words", retry_after_seconds)


THROTTLED, TRANSIENT = problem(Kind.THROTTLED), problem(Kind.TRANSIENT)


def begun(limits: Limits | None = None) -> Patience:
    patience = Patience(limits or Limits())
    patience.begin()
    return patience


def waits_of(failure: Problem, count: int) -> list[float]:
    patience = begun()
    return [wait for _ in range(count) if (wait := patience.after(failure)) is not None]


def test_a_failing_call_is_asked_again_over_doubling_spans() -> None:
    """Each wait lies between a quarter of its span and the whole, and they spread over it."""
    waits = [waits_of(TRANSIENT, MAX_FAILURES_IN_A_ROW - 1) for _ in MANY]
    for span, drawn in zip(SPANS, zip(*waits, strict=True), strict=False):
        assert span / 4 <= min(drawn) < span / 3
        assert span * 0.9 < max(drawn) <= span


def test_a_failing_call_is_given_up_after_six() -> None:
    assert MAX_FAILURES_IN_A_ROW == 6
    patience = begun()
    hopeless = [patience.after(TRANSIENT) is None for _ in range(MAX_FAILURES_IN_A_ROW)]
    assert hopeless == [False] * 5 + [True]


def test_an_answer_in_between_begins_the_count_anew() -> None:
    patience = begun()
    for _ in MANY:
        assert patience.after(TRANSIENT) is not None
        assert patience.after(TRANSIENT) is not None
        patience.granted()


def test_a_throttled_target_is_never_given_up_before_its_time() -> None:
    """The waits grow to eight seconds and no further."""
    waits = waits_of(THROTTLED, 200)
    assert len(waits) == 200
    assert min(waits[5:]) >= 2
    assert max(waits) <= 8


def test_a_failure_after_throttles_is_still_asked_again() -> None:
    """Throttles lengthen the wait; a target that was busy is not a broken one."""
    patience = begun()
    for _ in MANY:
        patience.after(THROTTLED)
    patience.granted()
    assert patience.after(TRANSIENT) is not None


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.NOT_ENABLED, Kind.BAD_TOKEN, Kind.BAD_REQUEST])
def test_what_asking_again_does_not_change_is_given_up_at_once(kind: Kind) -> None:
    assert begun().after(problem(kind)) is None


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.TRANSIENT])
@pytest.mark.parametrize("seconds", [0.0, 3.0, 30.0])
def test_no_wait_is_shorter_than_the_service_says(kind: Kind, seconds: float) -> None:
    """Jitter comes on top, so that targets which were refused together do not come back together."""
    waits = [wait for _ in MANY if (wait := begun().after(problem(kind, seconds))) is not None]
    assert min(waits) >= seconds + SPANS[0] / 4
    assert max(waits) <= seconds + SPANS[0]
    assert len(set(waits)) > 100


def test_a_throttled_target_is_asked_at_longer_intervals_which_ease() -> None:
    """Doubled from 50 ms with each refusal up to 2 s; less by a tenth with each answer, then gone."""
    patience = begun()
    assert patience.interval_seconds == 0
    intervals = []
    for _ in range(8):
        patience.after(THROTTLED)
        intervals.append(patience.interval_seconds)
    assert intervals == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2])
    eased = []
    while patience.interval_seconds:
        patience.granted()
        eased.append(patience.interval_seconds)
    assert eased[:3] == pytest.approx([1.8, 1.62, 1.458])
    assert eased[-2] >= 0.01
    assert eased[-1] == 0
    assert len(eased) < 60


def test_a_failure_that_is_no_throttle_slows_nothing_down() -> None:
    patience = begun()
    patience.after(TRANSIENT)
    assert patience.interval_seconds == 0


def test_a_targets_time_begins_with_its_first_call() -> None:
    patience = Patience(Limits(target_seconds=0.05))
    time.sleep(0.06)
    assert not patience.is_over
    patience.begin()
    assert not patience.is_over
    time.sleep(0.06)
    assert patience.is_over


def test_the_runs_end_is_every_targets_end() -> None:
    late = Limits(target_seconds=900, run_deadline=time.monotonic())
    assert Patience(late).is_over
    assert begun(late).is_over


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.TRANSIENT])
@pytest.mark.parametrize("limits", [(0.2, 900.0), (900.0, 0.2)], ids=["target", "run"])
def test_no_wait_goes_past_the_end(kind: Kind, limits: tuple[float, float]) -> None:
    """A service that asks for an hour ends its target in time, not in an hour."""
    of_target, of_run = limits
    patience = begun(Limits(of_target, time.monotonic() + of_run))
    wait = patience.after(problem(kind, 3600.0))
    assert wait is not None
    assert 0.1 < wait <= 0.2
