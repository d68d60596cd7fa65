"""What is asked of the results of `make bench`, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.bench.results import Results, sizes_of, way_of
from tests.bench.ways import IMAGELAKE, PROCESS_COUNT, PROCESSES, RIVALS, TRACKED


class Goal(NamedTuple):
    """A number of the results and the most that it may be."""

    words: str
    found: float
    most: float
    unit: str = ""


def goal_lines(results: Results) -> Iterator[str]:
    """Each goal, what was found, and whether it is met."""
    for goal in goals(results):
        met = "met" if goal.found <= goal.most else "MISSED"
        yield f"{met:6} {goal.words}: {goal.found:.2f}{goal.unit} (at most {goal.most:g}{goal.unit})"


def goals(results: Results) -> Iterator[Goal]:
    """What is asked of the results, as far as it was measured."""
    few, middle, many = 10_000, 100_000, 1_000_000
    ours = {size: way_of(results, size, IMAGELAKE) for size in (few, middle, many)}
    builds = {int(size): at["rows"]["image_builds"] for size, at in results["sizes"].items()}
    if (at_middle := ours[middle]) is not None:
        for rival, most in (("dlt_default", 0.25), ("dlt_tuned", 1.0), ("boto3_from_pylist", 0.5)):
            if (other := way_of(results, middle, rival)) is not None:
                words = f"CPU at {middle:,} builds beside {RIVALS[rival]}"
                yield Goal(words, at_middle.cpu / other.cpu, most, " times")
        yield Goal("CPU of a page of 100 builds", at_middle.cpu / builds[middle] * 1e5, 4, " ms")
        yield Goal(f"peak memory at {middle:,}", at_middle.peak_mb, 350, " MB")
        if (at_few := ours[few]) is not None:
            further = (at_middle.cpu - at_few.cpu) / (builds[middle] - builds[few]) * 1e5
            yield Goal("CPU of a further page of 100 builds", further, 4, " ms")
        if (at_many := ours[many]) is not None:
            each = (at_many.cpu / builds[many]) / (at_middle.cpu / builds[middle])
            yield Goal(f"CPU of a build at {many:,} beside one at {middle:,}", each, 1, " times")
            grown = at_many.peak_mb / at_middle.peak_mb
            yield Goal(f"peak memory at {many:,} beside that at {middle:,}", grown, 1.1, " times")
            yield Goal(f"peak memory at {many:,}", at_many.peak_mb, 350, " MB")
        for table, size in results["sizes"][str(middle)]["bytes"].items():
            each = size / results["sizes"][str(middle)]["rows"][table]
            yield Goal(f"Parquet of a row of {table}", each, 20, " bytes")
    for size in (size for size in (middle, many) if size in builds):
        one, several = way_of(results, size, IMAGELAKE), way_of(results, size, PROCESSES)
        if one is not None and several is not None:
            words = f"wall at {size:,} builds in {PROCESS_COUNT} processes beside one"
            yield Goal(words, several.wall / one.wall, 0.6, " times")
    for size in sizes_of(results, TRACKED):
        if (tracked := way_of(results, size, TRACKED)) is not None:
            yield Goal(f"peak memory at {size:,} with Prefect", tracked.peak_mb, 600, " MB")
    for command, most in (("--help", 0.3), ("sql 'select 1'", 0.6), ("status", 1.0)):
        if command in results.get("commands", {}):
            yield Goal(f"imagelake {command}", results["commands"][command], most, " s")
