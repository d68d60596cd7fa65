"""Rounds of made-up answers through the whole pipeline, until enough builds were compared."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

from extract.emulator import Emulator, start
from flows.parameters import SnapshotParameters
from tests.fuzz.compare import Compared, compare, problems_of, snapshot_of, targets_of
from tests.fuzz.fleets import Fleet, draw_fleet, fleet_of
from tests.fuzz.reduce import reduced
from tests.reassemble import Build, Target

REGIONS: Final = ("us-east-1", "eu-west-1", "us-west-2")
ROUND_BUILDS: Final = 2_000
ROUNDS_A_LAKE: Final = 8
"""Rounds are dates of one lake, each compared with the one before by the commit; then a new one."""
FIRST_DATE: Final = date(2025, 1, 1)
SHOWN: Final = 10


def say(words: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


@contextmanager
def local_endpoint(regions: tuple[str, ...] = REGIONS) -> Iterator[Emulator]:
    """An emulator without builds of its own, to which this process's AWS chain points meanwhile.

    Commits take effect at once: nobody reads meanwhile.
    """
    with (
        start(builds=0, regions=regions) as emulator,
        patch.dict(os.environ, emulator.environment()),
        patch("lake.folder.VISIBILITY_DELAY", timedelta(0)),
    ):
        yield emulator


def compare_builds(least: int, seed: int) -> bool:
    """True where at least so many builds came back as they were sent; says how it goes."""
    say(f"answers: at least {least:,} builds, seed {seed}")
    began_at, total = time.monotonic(), Compared()
    with TemporaryDirectory() as folder, local_endpoint() as emulator:
        for number in count():
            if total.builds >= least:
                break
            fleet = draw_fleet(seed + number, targets_of(emulator, REGIONS), ROUND_BUILDS)
            check = partial(_round, emulator, Path(folder), number, fleet, total)
            found = problems_of(check)
            minutes = (time.monotonic() - began_at) / 60
            say(
                f"  {minutes:4.1f} min: {total.builds:,} builds in {number + 1} snapshots, "
                f"{total.with_botocore:,} of them as botocore parses them"
            )
            if found:
                _tell(emulator, Path(folder), found, fleet)
                return False
    say(f"{total.builds:,} builds compared, 0 differences")
    return True


def _round(
    emulator: Emulator, folder: Path, number: int, fleet: Fleet, total: Compared
) -> list[str]:
    lake = folder / f"lake-{number // ROUNDS_A_LAKE}"
    compared = compare_once(emulator, lake, fleet, FIRST_DATE + timedelta(days=number))
    total.builds += compared.builds
    total.with_botocore += compared.with_botocore
    return compared.differences


def compare_once(emulator: Emulator, lake: Path, fleet: Fleet, day: date = FIRST_DATE) -> Compared:
    """Takes a snapshot of the fleet and compares it."""
    given = {
        "lake": str(lake),
        "warehouse": lake.with_suffix(".duckdb"),
        "date": day.isoformat(),
        "region": list(REGIONS),
        "role_arn": emulator.role_arns(),
        "accept_drop": True,  # each date's builds are others than those of the date before
    }
    snapshot_of(emulator, fleet, SnapshotParameters.model_validate(given))
    return compare(fleet, lake)


def _tell(emulator: Emulator, folder: Path, found: list[str], fleet: Fleet) -> None:
    """Says what was found, and the least that shows it."""
    say(f"\n{len(found)} differences:")
    for difference in found[:SHOWN]:
        say(f"  {difference[:1_000]}")
    lakes = (folder / f"reduced-{number}" for number in count())
    for target, pages in fleet.items():

        def is_wrong(builds: list[Build], target: Target = target) -> bool:
            alone = fleet_of(target, builds)
            return bool(problems_of(lambda: compare_once(emulator, next(lakes), alone).differences))

        for page in pages:
            if is_wrong(page.builds):
                say("\nthe least page that shows one:")
                say(json.dumps(reduced(page.builds, is_wrong)))
                return
    say("\nno page shows one by itself: run again with this seed")
