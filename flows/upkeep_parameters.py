"""The models of the parameters of `rebuild` and `maintain`, as those in `flows.parameters` are."""

# No `from __future__ import annotations`, as there.
import datetime

from pydantic import Field, model_validator

from flows.parameters import MOST_DAYS, LakeParameters


class RebuildParameters(LakeParameters):
    """Which dates to derive again from their raw pages."""

    date: datetime.date | None = Field(None, description="The date to rebuild.")
    all: bool = Field(False, description="Rebuild every date.")

    @model_validator(mode="after")
    def _one_or_all(self) -> "RebuildParameters":
        if self.date is None and not self.all:
            raise ValueError("give --date YYYY-MM-DD, or --all for every date")
        return self

    @property
    def one_date(self) -> datetime.date | None:
        """The date to rebuild; None for all, also where a file of `run`'s parameters names one."""
        return None if self.all else self.date


class MaintainParameters(LakeParameters):
    """What to keep, and for how long."""

    keep_days: int | None = Field(
        None,
        ge=1,
        le=MOST_DAYS,
        description="Remove dates older than so many days (default: keep every date).",
    )
    keep_monthly: int = Field(
        0,
        ge=0,
        le=MOST_DAYS,
        description="Of so many months before, keep the last date of each and each target's last "
        "complete capture.",
    )
    keep_raw_days: int | None = Field(
        None,
        ge=1,
        le=MOST_DAYS,
        description="Remove raw pages older than so many days (default: keep them).",
    )
    grace_hours: float = Field(
        168.0,
        ge=0,
        le=24 * MOST_DAYS,
        description="Remove a superseded run, or the pages of one that never committed, so many "
        "hours after.",
    )
    orphan_hours: float = Field(
        24.0,
        ge=0,
        le=24 * MOST_DAYS,
        description="Remove files that no commit names when they are so many hours old.",
    )
    compact: bool = Field(True, description="Rewrite a date whose tables are in many small files.")
    dry_run: bool = Field(False, description="Say what would go and how much; remove nothing.")
