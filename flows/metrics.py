"""A run in numbers: what its log's last line says and telemetry exports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flows.pipeline import Summary
from flows.timing import Stage


@dataclass(frozen=True)
class Metrics:
    """The numbers of a committed run.

    `targets` are those that it was to read, by status; `builds` are what they listed, and `pages`,
    `requests`, `throttles` what that took. `retries` are calls that led to no page. `written_bytes`
    are those of its data files.
    """

    targets: dict[str, int]
    builds: int
    pages: int
    requests: int
    throttles: int
    written_bytes: int
    rows: dict[str, int]
    seconds: float
    stages: tuple[Stage, ...]

    @property
    def retries(self) -> int:
        """Calls that led to no page: refused for their rate, failed, or denied."""
        return max(0, self.requests - self.pages)


def metrics_of(summary: Summary) -> Metrics:
    """The numbers of the run."""
    outcomes = [target.outcome for target in summary.asked]
    return Metrics(
        targets=dict(sorted(Counter(outcome.status for outcome in outcomes).items())),
        builds=sum(outcome.builds_listed for outcome in outcomes),
        pages=sum(outcome.pages for outcome in outcomes),
        requests=sum(outcome.requests for outcome in outcomes),
        throttles=sum(outcome.throttles for outcome in outcomes),
        written_bytes=summary.written_bytes,
        rows=summary.row_counts,
        seconds=summary.seconds,
        stages=summary.stages,
    )


def metrics_line(summary: Summary) -> str:
    """One line of key=values, for a program that reads logs."""
    metrics = metrics_of(summary)
    told: dict[str, object] = {
        "run": summary.run_id,
        "snapshot_date": summary.snapshot_date,
        "status": summary.status,
        "targets": sum(metrics.targets.values()),
        **metrics.targets,
        "builds": metrics.builds,
        "pages": metrics.pages,
        "requests": metrics.requests,
        "retries": metrics.retries,
        "throttles": metrics.throttles,
        "written_bytes": metrics.written_bytes,
        "seconds": round(metrics.seconds, 3),
        **{f"{stage.name}_seconds": round(stage.seconds, 3) for stage in metrics.stages},
    }
    return " ".join(f"{name}={value}" for name, value in told.items())
