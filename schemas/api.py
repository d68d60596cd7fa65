"""What ListImageBuildVersions accepts and what the values that it sends are known to be.

Source: the service model of botocore 1.44.5 (`imagebuilder`, 2019-12-02). The shape of an answer's
elements is not repeated here: it follows from the tables' columns (`schemas.tables`).
"""

from __future__ import annotations

from typing import Final, Literal

Owner = Literal["Self", "Shared", "Amazon", "ThirdParty", "AWSMarketplace"]
SELF: Final = "Self"

BUILD_STATUSES: Final = (
    *("PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING", "AVAILABLE"),
    *("CANCELLED", "FAILED", "DEPRECATED", "DELETED", "DISABLED"),
)
IMAGE_TYPES: Final = ("AMI", "DOCKER")
PLATFORMS: Final = ("Windows", "Linux", "macOS")
BUILD_TYPES: Final = ("USER_INITIATED", "SCHEDULED", "IMPORT", "IMPORT_ISO")
IMAGE_SOURCES: Final = ("AMAZON_MANAGED", "AWS_MARKETPLACE", "IMPORTED", "CUSTOM")
REGION_FAILURE_STATUSES: Final = ("FAILED", "CANCELLED", "TIMED_OUT")
CONFIGURATION_STEPS: Final = (
    *("ASSOCIATE_LICENSES", "UPDATE_LAUNCH_TEMPLATES", "PUT_SSM_PARAMETERS"),
    *("UPDATE_FAST_LAUNCH_CONFIGURATIONS", "EXPORT_AMI"),
)
"""The values of the model's enums; another one is carried to the letter, and told as a warning."""

FILTER_NAMES: Final = ("name", "osVersion", "platform", "type", "version")
"""The filters that the API reference documents; the model itself takes any name."""

MAX_PAGE_SIZE: Final = 100
"""The model's maximum since botocore 1.44.2."""
FORMER_MAX_PAGE_SIZE: Final = 25
"""The model's maximum before, and still the API reference's: what a service that refuses 100 takes."""

IMAGE_VERSION_ARN: Final = (
    r"arn:aws[^:]*:imagebuilder:[^:]+:(?:[0-9]{12}|aws(?:-[a-z-]+)?|third-party)"
    r":image/[a-z0-9-_]+/[0-9]+\.[0-9]+\.[0-9]+"
)
"""The shape of an image version's ARN; the model's own pattern leaves out `third-party`."""
