"""Snapshot after snapshot, each shown by a new warehouse that is renamed over the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from shutil import copyfile
from unittest.mock import patch

from extract.emulator import start
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.location import open_folder
from lake.warehouse import publish_pinned


def replacements(folder: Path, warehouse: Path, times: int) -> Iterator[int]:
    """Takes so many snapshots into a lake and puts a warehouse of each and those before in place.

    Yields how many it then shows.
    """
    lake = folder / "lake"
    mine = folder / "imagelake.duckdb"
    first = date(2026, 1, 1)
    with (
        start(accounts=ACCOUNTS[:1], regions=REGIONS[:1], builds=20) as emulator,
        patch.dict(os.environ, emulator.environment()),
    ):
        for count in range(1, times + 1):
            day = first + timedelta(days=count - 1)
            parameters = {"lake": str(lake), "date": day, "region": [REGIONS[0]]}
            take_snapshot(SnapshotParameters(**parameters, warehouse=folder / "live.duckdb"))
            assert publish_pinned(open_folder(str(lake)), mine)
            copyfile(mine, staged := warehouse.with_name("staged"))
            staged.replace(warehouse)
            yield count
