"""The dashboard of the pipeline itself: what was read, when, and what failed."""

from __future__ import annotations

from typing import Final

from flows.superset.charts import (
    BAR,
    DAY,
    LYING,
    TABLE,
    Chart,
    Dashboard,
    Dataset,
    Filter,
    number,
)

_COVERAGE: Final = Dataset("coverage", "snapshot_date")
_FRESHNESS: Final = Dataset("target_freshness")
_SNAPSHOTS: Final = Dataset("snapshots", "snapshot_date")
_TARGETS: Final = Dataset("targets")

PIPELINE: Final = Dashboard(
    "Snapshots and targets",
    "pipeline",
    "What was read of which account and region, how fresh it is, and what failed.",
    (
        Filter("Account", _COVERAGE, "account_id"),
        Filter("Region", _COVERAGE, "region"),
        Filter("Snapshots between"),
    ),
    (
        (
            number("Targets", _TARGETS, "target_count", "accounts and regions ever asked"),
            number(
                "Targets not read last time", _TARGETS, "failed_target_count", "failed or cut short"
            ),
            number("Share read", _COVERAGE, "read_share", "of the listings asked for"),
            number("Snapshots", _SNAPSHOTS, "snapshot_count", "one a day shows"),
        ),
        (
            Chart(
                "Targets by day and outcome",
                _COVERAGE,
                BAR,
                ("listing_count",),
                ("status",),
                "snapshot_date",
                DAY,
            ),
            Chart(
                "Builds listed by day",
                _COVERAGE,
                BAR,
                ("build_count",),
                ("region",),
                "snapshot_date",
                DAY,
            ),
        ),
        (
            Chart(
                "Freshness of each target",
                _FRESHNESS,
                TABLE,
                by=(
                    *("account_id", "region", "is_stale", "age_hours", "captured_at_utc", "builds"),
                    *("last_attempt_status", "failed_attempt_count", "last_error_code"),
                ),
                order=("age_hours", False),
                width=12,
            ),
        ),
        (
            Chart(
                "Failures by error",
                _COVERAGE,
                BAR,
                ("failure_count",),
                over="error_code",
                where=(("status", "in", ["failed", "truncated"]),),
                width=4,
                look=LYING,
            ),
            Chart(
                "Failures",
                _COVERAGE,
                TABLE,
                by=(
                    "snapshot_date",
                    "account_id",
                    "region",
                    "status",
                    "error_code",
                    "error_message",
                ),
                where=(("status", "in", ["failed", "truncated"]),),
                order=("snapshot_date", False),
                width=8,
            ),
        ),
        (
            Chart(
                "Calls by day",
                _COVERAGE,
                BAR,
                ("request_count", "throttle_count"),
                over="snapshot_date",
                grain=DAY,
                look={"stack": None},
            ),
            Chart(
                "Last snapshots",
                _SNAPSHOTS,
                TABLE,
                by=(
                    *("snapshot_date", "status", "run_seconds", "snapshot_targets_count"),
                    *("image_builds_count", "image_amis_count", "committed_at_utc"),
                ),
                order=("snapshot_date", False),
                limit=100,
            ),
        ),
    ),
)
