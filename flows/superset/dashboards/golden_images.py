"""The dashboard of golden images: the AMIs to launch now."""

from __future__ import annotations

from typing import Final

from flows.superset.charts import (
    BAR,
    LYING,
    MONTH,
    TABLE,
    Chart,
    Dashboard,
    Dataset,
    Filter,
    number,
)

_DEPRECATIONS: Final = Dataset("deprecations", "created_date")
_GOLDEN: Final = Dataset("golden_amis", "created_date")
_IMAGES: Final = Dataset("image_age", "newest_created_date")
_PLACES: Final = Dataset("region_coverage", "newest_created_date")

GOLDEN_IMAGES: Final = Dashboard(
    "Golden images",
    "golden-images",
    "Which AMIs to launch now, where they are and are missing, how old they are and what is due.",
    (
        Filter("Account", _GOLDEN, "account_id"),
        Filter("Region", _GOLDEN, "region"),
        Filter("AMI region", _GOLDEN, "ami_region"),
        Filter("Image", _IMAGES, "image_slug"),
        Filter("Platform", _IMAGES, "platform"),
        Filter("Built between"),
    ),
    (
        (
            number("Golden AMIs", _GOLDEN, "golden_ami_count", "one an image, region and account"),
            number(
                "No golden build", _IMAGES, "without_golden_count", "images with none to launch"
            ),
            number("Coverage gaps", _PLACES, "gap_count", "regions that the newest build misses"),
            number("Deprecations due", _DEPRECATIONS, "due_count", "overdue or within 30 days"),
        ),
        (
            Chart(
                "Golden AMIs by region",
                _GOLDEN,
                BAR,
                ("golden_ami_count",),
                ("platform",),
                "ami_region",
            ),
            Chart(
                "Age of golden AMIs",
                _GOLDEN,
                BAR,
                ("golden_ami_count",),
                ("platform",),
                "age_band",
                look={"x_axis_sort": "age_band", "x_axis_sort_asc": True},
            ),
        ),
        (
            Chart(
                "Coverage gaps by region",
                _PLACES,
                BAR,
                ("gap_count",),
                over="ami_region",
                where=(("is_missing_in_newest", "=", True),),
                width=4,
                look=LYING,
            ),
            Chart(
                "Where the newest build is missing",
                _PLACES,
                TABLE,
                by=(
                    *("name", "ami_region", "ami_account_id", "newest_created_date"),
                    *("reached_count", "considered_count", "last_ami_id"),
                ),
                where=(("is_missing_in_newest", "=", True),),
                order=("name", True),
                width=8,
            ),
        ),
        (
            Chart(
                "Deprecations by month",
                _DEPRECATIONS,
                BAR,
                ("deprecation_count",),
                over="deprecation_month",
                grain=MONTH,
                width=4,
                look={"show_legend": False},
            ),
            Chart(
                "Next deprecations",
                _DEPRECATIONS,
                TABLE,
                by=(
                    *("name", "semantic_version", "build_number", "account_id", "region"),
                    *("deprecation_date", "days_left", "has_successor"),
                ),
                order=("days_left", True),
                width=8,
            ),
        ),
        (
            Chart(
                "AMIs to launch now",
                _GOLDEN,
                TABLE,
                by=(
                    *("name", "platform", "semantic_version", "build_number"),
                    *("ami_region", "ami_account_id", "ami_id", "age_days", "is_newest_build"),
                ),
                order=("name", True),
                width=12,
            ),
        ),
    ),
)
