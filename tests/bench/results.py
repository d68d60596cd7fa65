"""What `make bench` found: kept in a small file, and as tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.bench.parts import PARTS
from tests.bench.ways import IMAGELAKE, PROCESS_COUNT, PROCESSES, RIVALS, TRACKED

KEPT: Final = Path(__file__).with_name("results.json")
STAGES_FILE: Final = "IMAGELAKE_BENCH_STAGES"
"""The variable that names the file for the seconds of a run's stages."""

NAMES: Final = {
    IMAGELAKE: "**`imagelake run`**",
    PROCESSES: f"`imagelake run --processes {PROCESS_COUNT}`",
    TRACKED: "`imagelake run`, tracked by Prefect",
    **RIVALS,
}
BUSY_LOAD: Final = 0.7
"""From so many others on that ran or waited for a core, the machine is said to have been busy."""
LIBRARIES: Final = ("boto3", "pyarrow", "duckdb", "pandas", "dlt")

Results = Mapping[str, Any]


class Way(NamedTuple):
    """Medians of a way's runs: seconds of CPU and of the clock, megabytes of memory and of files."""

    cpu: float
    wall: float
    peak_mb: float
    parquet_mb: float
    runs: int


def about_this_machine(python: str) -> dict[str, Any]:
    """When and where it is measured; `python` has the rivals' libraries.

    Raises SystemExit where it has not. The load is that of the others, before anything is measured.
    """
    names = ", ".join(map(repr, LIBRARIES))
    ask = f"from importlib.metadata import version\nprint(*map(version, ({names})))"
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    if told.returncode:
        why = told.stderr.strip().rpartition("\n")[2]
        raise SystemExit(f"{python} has not what is compared with ({why}): call it by make bench")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(memory / 2**30),
            "processor": _processor(),
            "load": os.getloadavg()[0],
        },
        "versions": {
            "Python": platform.python_version(),
            **dict(zip(LIBRARIES, told.stdout.split(), strict=True)),
            "Prefect": version("prefect"),
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def load() -> Results:
    """The results as they were kept."""
    kept: Results = json.loads(KEPT.read_text())
    return kept


def save(results: Results) -> None:
    """Keeps the results, numbers to a thousandth."""
    KEPT.write_text(json.dumps(_rounded(results), indent=1) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def way_of(results: Results, builds: int, way: str) -> Way | None:
    """What a way took at a size, None where it was not measured there."""
    found = results["sizes"].get(str(builds), {"ways": {}})["ways"].get(way)
    return Way(**found) if found else None


def sizes_of(results: Results, way: str) -> list[int]:
    """The sizes at which the way was measured."""
    return sorted(int(size) for size in results["sizes"] if way_of(results, int(size), way))


def lines(results: Results) -> Iterator[str]:
    """The tables in Markdown, as the README has them."""
    compared = [int(size) for size, at in results["sizes"].items() if {*RIVALS} & {*at["ways"]}]
    for size in compared:
        yield from _comparison(results, size)
    yield from _alone(results)
    if compared:
        yield _bytes_of_rows(results, max(compared))
        yield ""
    if "stages" in results:
        yield from _stages(results, max(compared, default=0))
    if "calls" in results:
        yield from _calls(results["calls"])
    if "commands" in results:
        yield _commands(results)
        yield ""
    yield _where(results)


def _comparison(results: Results, size: int) -> Iterator[str]:
    at = results["sizes"][str(size)]
    ours = Way(**at["ways"][IMAGELAKE])
    rows = at["rows"]
    yield (
        f"{rows['image_builds']:,} builds, {rows['image_amis']:,} AMIs, "
        f"{rows['image_containers']:,} container URIs, "
        f"{rows['image_region_failures']:,} region failures:"
    )
    yield ""
    yield "| way | CPU | beside imagelake | wall | peak memory | Parquet |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, words in NAMES.items():
        way = way_of(results, size, name)
        if way is not None:
            yield (
                f"| {words} | {way.cpu:.1f} s | {way.cpu / ours.cpu:.2f} | {way.wall:.1f} s | "
                f"{way.peak_mb:,.0f} MB | {way.parquet_mb:.1f} MB |"
            )
    yield ""


def _alone(results: Results) -> Iterator[str]:
    """Imagelake at every size, by one process and, as far as measured, by several, and tracked."""
    sizes = sizes_of(results, IMAGELAKE)
    columns = ["builds", "CPU", "a 1,000 builds", "wall", "peak memory"]
    if several := sizes_of(results, PROCESSES):
        columns += [f"{PROCESS_COUNT} processes: wall", "peak memory"]
    if tracked := sizes_of(results, TRACKED):
        columns += ["tracked: CPU", "peak memory"]
    yield f"| {' | '.join(columns)} |"
    yield f"|{'--:|' * len(columns)}"
    for size in sizes:
        builds = results["sizes"][str(size)]["rows"]["image_builds"]
        if (way := way_of(results, size, IMAGELAKE)) is not None:
            cells = [f"{builds:,}", f"{way.cpu:.1f} s", f"{way.cpu / builds * 1e6:.0f} ms"]
            cells += [f"{way.wall:.1f} s", f"{way.peak_mb:,.0f} MB"]
        if several:
            way = way_of(results, size, PROCESSES)
            cells += [f"{way.wall:.1f} s", f"{way.peak_mb:,.0f} MB"] if way else ["", ""]
        if tracked:
            way = way_of(results, size, TRACKED)
            cells += [f"{way.cpu:.1f} s", f"{way.peak_mb:,.0f} MB"] if way else ["", ""]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _bytes_of_rows(results: Results, size: int) -> str:
    at = results["sizes"][str(size)]
    told = [
        f"{at['bytes'][table] / rows:.0f} of `{table}`"
        for table, rows in at["rows"].items()
        if table in at["bytes"]
    ]
    return (
        f"Parquet that imagelake wrote of {at['rows']['image_builds']:,} builds, in bytes a row: "
        f"{', '.join(told)}."
    )


def _stages(results: Results, size: int) -> Iterator[str]:
    """Where the CPU seconds of a run go, and those that tracking adds."""
    builds = results["sizes"][str(size)]["rows"]["image_builds"]
    yield f"| stage of a run over {builds:,} builds | CPU |"
    yield "|---|--:|"
    for stage, seconds in results["stages"].items():
        yield f"| {stage} | {seconds:.2f} s |"
    ours, tracked = way_of(results, size, IMAGELAKE), way_of(results, size, TRACKED)
    if ours is not None and tracked is not None:
        yield f"| Prefect, where it tracks the run | {tracked.cpu - ours.cpu:.2f} s |"
    yield ""


def _calls(microseconds: Mapping[str, float]) -> Iterator[str]:
    """What a call costs, what it would cost too, and the price of what stays."""
    yield f"| beside or in a call's {microseconds['call'] / 1000:.2f} ms | CPU | |"
    yield "|---|--:|---|"
    for name, part in PARTS.items():
        spent, noise = microseconds[name], microseconds["noise"]
        told = f"{spent / 1000:.2f} ms" if spent > noise else f"under {noise / 1000:.2f} ms"
        yield f"| {part.words} | {told} | {part.reason} |"
    yield ""


def _commands(results: Results) -> str:
    told = [
        f"`imagelake {command}` {seconds:.2f} s" for command, seconds in results["commands"].items()
    ]
    return f"Over 365 dates, from start to end: {', '.join(told)}."


def _where(results: Results) -> str:
    machine, versions = results["machine"], results["versions"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    busy = f", busy otherwise (load {machine['load']:.1f})" if machine["load"] >= BUSY_LOAD else ""
    return (
        f"Medians of {_runs(results)}, measured on {results['date']} by `{results['command']}` "
        f"on {machine['cores']} cores ({machine['processor']}) and {machine['memory_gb']} GB{busy}, "
        f"with {named}."
    )


def _runs(results: Results) -> str:
    """How many runs of each way there were, by size where they differ."""
    sizes: dict[int, list[str]] = {}
    for size in sizes_of(results, IMAGELAKE):
        if (way := way_of(results, size, IMAGELAKE)) is not None:
            sizes.setdefault(way.runs, []).append(f"{size:,}")
    told = [(f"{runs} runs" if runs > 1 else "one run", at) for runs, at in sizes.items()]
    if len(told) == 1:
        (words, _) = told[0]
        return words
    return ", ".join(f"{runs} (of {' and '.join(at)} builds)" for runs, at in told)


def stages_of(seconds: Mapping[str, float], whole: float) -> dict[str, float]:
    """By stage, in the order of a run, its own seconds; `whole` are those of the process."""
    of = Counter(seconds)
    stages = {
        "call: botocore, signing, HTTP, turns": of["land"] - of["keep"] - of["look"],
        "look: count the items, find the token": of["look"],
        "keep the raw page": of["keep"],
        "decode": of["decode"] + of["read back"],
        "columns": of["flatten"] - of["decode"] - of["read back"],
        "Parquet": of["Parquet"],
        "data checks": of["check"],
        "commit, current rows, warehouse": of["commit"] + of["publish"],
    }
    return {**stages, "start, plan, end": whole - sum(stages.values())}
