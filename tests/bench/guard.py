"""`python -m tests.bench.guard [ROUNDS]`: imagelake beside a plain script now, and as it was kept.

The script (boto3 and `Table.from_pylist`) runs on the same libraries and beside it, so a slow or busy
machine slows both. Three ratios are held against what `make bench KEEP=1` has kept: the CPU of a start
(a run over few builds), the CPU that each further build adds, and the peak memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from tests.bench.endpoint import serving
from tests.bench.measure import Spent
from tests.bench.results import load
from tests.bench.ways import IMAGELAKE, Ways

SCRIPT: Final = "boto3_from_pylist"
FEW, MANY = 200, 15_000
ROUNDS: Final = 8
"""At most: one more is made only where the least so far has fallen behind. Three have told of a cost
that was the machine's.
"""
PARTS: Final = tuple((builds, way) for builds in (FEW, MANY) for way in (IMAGELAKE, SCRIPT))


class Ratios(NamedTuple):
    """Of imagelake to the script."""

    start: float
    build: float
    peak: float


ALLOWED: Final = Ratios(start=1.25, build=1.5, peak=1.25)
"""A ratio may be so many times the kept one: more than a busy machine makes of it.

Four measurements of the same code on one where five others waited for a core differed by 1.05, 1.3 and
1.2 times.
"""

Least = dict[tuple[int, str], Spent]


def measured(rounds: int = ROUNDS, is_enough: Callable[[Ratios], bool] = lambda _: False) -> Ratios:
    """The ratios of the least that each took in some rounds; no further one where it is enough.

    The least is what a process takes that nothing disturbed.
    """
    least: Least = {}
    with serving(FEW) as few, serving(MANY) as many:
        endpoints = {FEW: few.environment(), MANY: many.environment()}
        for _ in range(rounds):
            for builds, way in PARTS:
                with TemporaryDirectory() as folder:
                    spent = Ways(sys.executable, endpoints[builds]).run(way, Path(folder))
                least[builds, way] = _lesser(spent, least.get((builds, way), spent))
            if is_enough(ratios_of(least)):
                break
    return ratios_of(least)


def ratios_of(least: Least) -> Ratios:
    """The ratios; what a build adds is told by the difference between many and few."""
    few, many = ({way: least[builds, way] for way in (IMAGELAKE, SCRIPT)} for builds in (FEW, MANY))
    added = {way: many[way].cpu - few[way].cpu for way in many}
    return Ratios(
        start=few[IMAGELAKE].cpu / few[SCRIPT].cpu,
        build=added[IMAGELAKE] / added[SCRIPT],
        peak=many[IMAGELAKE].peak_mb / many[SCRIPT].peak_mb,
    )


def fallen_behind(now: Ratios, kept: Ratios) -> list[str]:
    """What is clearly worse than it was kept, a sentence each."""
    return [
        f"{name}: {ratio:.2f} times the plain script's, kept {before:.2f}, allowed "
        f"{before * allowed:.2f}; make it cheaper, or keep what it costs now: make bench KEEP=1"
        for name, ratio, before, allowed in zip(Ratios._fields, now, kept, ALLOWED, strict=True)
        if ratio > before * allowed
    ]


def _lesser(one: Spent, other: Spent) -> Spent:
    return Spent(*map(min, one, other))


def main(rounds: int) -> None:
    """Writes the ratios as JSON; ends with status 1 and a line each for what has fallen behind."""
    kept = Ratios(**load()["guard"])
    now = measured(rounds, lambda ratios: not fallen_behind(ratios, kept))
    sys.stdout.write(json.dumps(now._asdict()) + "\n")
    if behind := fallen_behind(now, kept):
        sys.exit("\n".join(behind))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
