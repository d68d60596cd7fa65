"""Every table of the lake, in the order in which a reader meets them."""

from __future__ import annotations

from typing import Final

from schemas.image_amis import IMAGE_AMIS
from schemas.image_builds import IMAGE_BUILDS
from schemas.image_containers import IMAGE_CONTAINERS
from schemas.image_region_failures import IMAGE_REGION_FAILURES
from schemas.snapshots import SNAPSHOT_TARGETS, SNAPSHOTS
from schemas.table import Table

DATA_TABLES: Final = (IMAGE_BUILDS, IMAGE_AMIS, IMAGE_CONTAINERS, IMAGE_REGION_FAILURES)
"""The tables that are read off the API's answers."""

TABLES: Final[dict[str, Table]] = {
    table.name: table for table in (*DATA_TABLES, SNAPSHOT_TARGETS, SNAPSHOTS)
}
