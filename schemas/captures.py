"""What history is read from: the complete captures, and what differs between two of them."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from schemas.image_builds import IMAGE_BUILDS
from schemas.table import BIGINT, INSTANT, OURS, TARGET_COLUMNS, TEXT, Column, Table

_PREVIOUS_DATE: Final = Column(
    "previous_date", pa.date32(), OURS, "The date of the whole capture before it."
)
_PREVIOUS_RUN: Final = Column("previous_run_id", TEXT, OURS, "The run of that capture.")
_CAPTURE_KEY: Final = Column(
    "capture_key", pa.uint64(), OURS, "A number for the two captures compared."
)

TARGET_CAPTURES: Final = Table(
    name="target_captures",
    grain="one row a target and date of a complete capture",
    key=("account_id", "region", "snapshot_date"),
    columns=(
        *TARGET_COLUMNS,
        Column("captured_at", INSTANT, OURS, "When the capture's newest page arrived."),
        Column("coverage", TEXT, OURS, "whole or filtered."),
        Column("builds", BIGINT, OURS, "Its builds."),
        _PREVIOUS_DATE,
        _PREVIOUS_RUN,
        _CAPTURE_KEY,
    ),
)

CAPTURE_DIFFERENCES: Final = Table(
    name="capture_differences",
    grain="one row a build that differs, and date",
    key=("account_id", "region", "arn", "snapshot_date"),
    columns=(
        _PREVIOUS_DATE,
        _PREVIOUS_RUN,
        _CAPTURE_KEY,
        Column("change", TEXT, OURS, "appeared, changed or disappeared."),
        Column("previous_status", TEXT, OURS, "The state before; NULL where it appeared."),
        Column("build_key", pa.uint64(), OURS, "A number for the target's build."),
        *IMAGE_BUILDS.columns,
    ),
)
