"""The tables `snapshots` and `snapshot_targets`: what each run covered."""

from __future__ import annotations

from typing import Final

from schemas.table import BIGINT, INSTANT, OURS, TARGET_COLUMNS, TEXT, Column, Table

COMPLETE: Final = "complete"
TRUNCATED: Final = "truncated"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
"""How a listing ended: snapshot_targets.status."""

WHOLE: Final = "whole"
FILTERED: Final = "filtered"
PART: Final = "part"
NONE: Final = "none"
"""What the rows shown are: snapshot_targets.coverage."""

SNAPSHOT_TARGETS: Final = Table(
    name="snapshot_targets",
    grain="one row a target of a snapshot, the failed ones too",
    key=("run_id", "account_id", "region"),
    columns=(
        *TARGET_COLUMNS,
        Column(
            "captured_at",
            INSTANT,
            OURS,
            "When the newest page of the rows shown for the target arrived; NULL where there are "
            "none.",
        ),
        Column(
            "status",
            TEXT,
            OURS,
            "How the listing ended: complete, truncated (a limit or a starting token cut it), "
            "failed, or skipped (the region is not enabled or has no Image Builder).",
        ),
        Column(
            "coverage",
            TEXT,
            OURS,
            "What the rows shown for the target are: whole (all its builds), filtered (all that "
            "the request's filter, image or owners ask for), part (cut short) or none.",
        ),
        Column("error_code", TEXT, OURS, "The error's code where the listing did not complete."),
        Column("error_message", TEXT, OURS, "The error in words, with what to do."),
        Column("pages", BIGINT, OURS, "Pages that landed."),
        Column("builds", BIGINT, OURS, "Rows of image_builds shown for the target."),
        Column("requests", BIGINT, OURS, "Calls made, the failed and repeated ones included."),
        Column("throttles", BIGINT, OURS, "Calls that were refused for their rate."),
        Column("started_at", INSTANT, OURS, "When its first call was made."),
        Column("finished_at", INSTANT, OURS, "When its last answer was in."),
        Column(
            "resume_token",
            TEXT,
            OURS,
            "The token to go on from (`--starting-token`) where the listing stopped early.",
        ),
        Column(
            "carried_from",
            TEXT,
            OURS,
            "The earlier run of the same date whose rows of this target are shown, in whole or "
            "in front of this run's.",
        ),
        Column(
            "request",
            TEXT,
            OURS,
            "What was asked, as JSON: imageVersionArn, filters, owners, sizes, startingToken.",
        ),
    ),
)

SNAPSHOTS: Final = Table(
    name="snapshots",
    grain="one row a committed run",
    key=("run_id",),
    columns=(
        Column("started_at", INSTANT, OURS, "When the run began."),
        Column("committed_at", INSTANT, OURS, "When its files were complete and it was committed."),
        Column(
            "status", TEXT, OURS, "complete, or partial where a target failed or was cut short."
        ),
        Column("image_builds_count", BIGINT, OURS, "Rows of image_builds."),
        Column("image_amis_count", BIGINT, OURS, "Rows of image_amis."),
        Column("image_containers_count", BIGINT, OURS, "Rows of image_containers."),
        Column("image_region_failures_count", BIGINT, OURS, "Rows of image_region_failures."),
        Column("snapshot_targets_count", BIGINT, OURS, "Rows of snapshot_targets."),
        Column("versions", TEXT, OURS, "Versions of imagelake and its libraries, as JSON."),
        Column("parameters", TEXT, OURS, "The run's parameters, as JSON without secrets."),
        Column(
            "warnings",
            TEXT,
            OURS,
            "What the data checks wondered at, such as values that the API was not known to send: "
            "a JSON list of sentences, NULL where there is nothing.",
            since=2,
        ),
    ),
)
