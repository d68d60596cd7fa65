"""`make bench`: the same work by imagelake and by what one would write instead, and what a run costs.

Each way is a process of its own against an endpoint whose pages lie ready; ways take turns, round by
round, and each table tells medians. In the first round a way must have written the rows of imagelake.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.bench import guard
from tests.bench.endpoint import REGIONS, serving
from tests.bench.goals import goal_lines
from tests.bench.measure import Spent
from tests.bench.results import (
    KEPT,
    STAGES_FILE,
    Way,
    about_this_machine,
    lines,
    save,
    stages_of,
)
from tests.bench.ways import (
    COMMAND,
    IMAGELAKE,
    PROCESSES,
    RIVALS,
    TRACKED,
    Ways,
    clean_environment,
    has_processes,
    parquet_bytes,
    warehouse_of,
)
from tests.prefect_server import serving as prefect_server

SIZES: Final = (10_000, 100_000)
ALONE: Final = (30_000, 300_000, 1_000_000)
"""Sizes for imagelake only: its curve."""
ROUNDS: Final = 3
ONCE_FROM: Final = 300_000
"""From so many builds on a run says enough by itself."""
PROJECT: Final = Path(__file__).parents[2]


def main(given: Namespace) -> None:
    """Measures, prints the tables as they are in the README, and keeps the results if told to."""
    sizes = _numbers(given.sizes)
    results: dict[str, Any] = {
        **about_this_machine(given.python),
        "command": command_line(given),
        "sizes": {},
    }
    for builds in sorted({*sizes, *_numbers(given.alone)}):
        rivals = tuple(RIVALS) if builds in sizes else ()
        with serving(builds) as endpoint:
            ways = Ways(given.python, endpoint.environment())
            _say(f"{builds:,} builds")
            ready = endpoint.stats()["builds"]
            rounds = given.rounds if builds < ONCE_FROM else 1
            at_size = _compared(ways, rivals, rounds, is_tracked=not given.brief)
            results["sizes"][str(builds)] = at_size
            if endpoint.stats()["builds"] != ready:
                raise SystemExit("the endpoint had to render pages while it was measured")
            if builds == max(sizes, default=0):
                results["stages"] = _stages(ways)
    if not given.brief:
        for name, *arguments in (("calls",), ("commands",), ("pacing", "--curve")):
            _say(f"the {name}")
            results[name] = _module(name, *arguments)
        _say("the ratios that `make guard` holds")
        results["guard"] = guard.measured()._asdict()
    _say("\n".join(["", *lines(results), "", *goal_lines(results)]))
    if given.keep:
        save(results)
        _run_module("tests.readme", "--results")
        _say(f"kept in {KEPT.relative_to(PROJECT)} and written into the README, with the drawings")


def _compared(
    ways: Ways, rivals: tuple[str, ...], rounds: int, *, is_tracked: bool
) -> dict[str, Any]:
    """What each way took and wrote, and how many rows they have."""
    spent: dict[str, list[Spent]] = defaultdict(list)
    written: dict[str, dict[str, int]] = {}
    rows: dict[str, int] = {}
    several = (PROCESSES,) if has_processes() else ()
    for number in range(rounds):
        with ExitStack() as until_compared:
            folders = {
                way: Path(until_compared.enter_context(TemporaryDirectory(prefix=f"{way}-")))
                for way in (IMAGELAKE, *several, *rivals)
            }
            for way, folder in folders.items():
                spent[way].append(ways.run(way, folder))
                _say_spent(way, spent[way][-1])
                if number:
                    continue
                written[way] = parquet_bytes(way, folder)
                if way == IMAGELAKE:
                    rows = _row_counts(folder)
                else:
                    _require_same_rows(way, folders[IMAGELAKE], folder, rows)
    if is_tracked:
        spent[TRACKED] = list(_tracked(ways, rounds))
    return {
        "rows": rows,
        "bytes": written[IMAGELAKE],
        "ways": {
            way: _medians(each, written.get(way, written[IMAGELAKE]))._asdict()
            for way, each in spent.items()
        },
    }


def _tracked(ways: Ways, rounds: int) -> Iterator[Spent]:
    """Runs of the flow on a Prefect server, whose own CPU is not counted; it runs meanwhile only."""
    with TemporaryDirectory() as home, prefect_server(Path(home)) as api:
        for _ in range(rounds):
            with TemporaryDirectory() as folder:
                spent = ways.run(TRACKED, Path(folder), PREFECT_API_URL=api, PREFECT_HOME=home)
            _say_spent(TRACKED, spent)
            yield spent


def _medians(runs: list[Spent], written: dict[str, int]) -> Way:
    return Way(
        cpu=median(run.cpu for run in runs),
        wall=median(run.wall for run in runs),
        peak_mb=median(run.peak_mb for run in runs),
        parquet_mb=sum(written.values()) / 1e6,
        runs=len(runs),
    )


def _require_same_rows(way: str, ours: Path, theirs: Path, rows: dict[str, int]) -> None:
    found = _module("same_rows", str(warehouse_of(ours)), way, str(theirs))
    if found != rows:
        raise SystemExit(f"{way}: {found} rows, expected {rows}")


def _row_counts(folder: Path) -> dict[str, int]:
    query = "select columns('^(image_.*)_count$') as '\\1' from snapshots"
    command = [COMMAND, "sql", query, "--format", "json"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    (row,) = json.loads(answer.stdout)
    return dict(row)


def _stages(ways: Ways) -> dict[str, float]:
    """The CPU seconds by stage of one more run."""
    with TemporaryDirectory() as folder:
        told = Path(folder) / "stages"
        regions = [part for region in REGIONS for part in ("--region", region)]
        command = [sys.executable, "-m", "tests.bench.stages", *regions]
        more = {STAGES_FILE: str(told), "PYTHONPATH": str(PROJECT)}
        spent = ways.spent_by(command, Path(folder), **more)
        return stages_of(json.loads(told.read_text()), spent.cpu)


def _module(name: str, *arguments: str) -> Any:
    """What a module of the benchmarks says, as JSON."""
    return json.loads(_run_module(f"tests.bench.{name}", *arguments))


def _run_module(name: str, *arguments: str) -> str:
    """What a module writes, run in a process of its own, since this one has to stay small."""
    ended = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=clean_environment(),
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{name}: {ended.stderr[-4000:]}")
    return ended.stdout


def command_line(given: Namespace) -> str:
    """What one calls to measure this."""
    changed = {
        "KEEP": "1" if given.keep else None,
        "BRIEF": "1" if given.brief else None,
        "SIZES": given.sizes if _numbers(given.sizes) != SIZES else None,
        "ALONE": given.alone if _numbers(given.alone) != (() if given.brief else ALONE) else None,
        "ROUNDS": given.rounds if given.rounds != ROUNDS else None,
    }
    said = [f"{name}={value}" for name, value in changed.items() if value is not None]
    return " ".join(["make bench", *said])


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


def _say_spent(way: str, spent: Spent) -> None:
    _say(f"  {way:18} CPU {spent.cpu:7.2f} s, wall {spent.wall:7.2f} s, {spent.peak_mb:5.0f} MB")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def options(given: list[str] | None = None) -> Namespace:
    """What the command was given, made whole."""
    parser = ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    add = parser.add_argument
    add("--sizes", default=",".join(map(str, SIZES)), help="builds, about, for every way")
    add("--alone", help=f"builds for imagelake only (default: {','.join(map(str, ALONE))})")
    add("--rounds", type=int, default=ROUNDS, help="runs of each way and size")
    add("--python", default=sys.executable, help="the interpreter with the rivals' libraries")
    add("--brief", action="store_true", help="the comparison and the stages only")
    add("--keep", action="store_true", help="keep the results for the README and the guard")
    found = parser.parse_args(given)
    found.python = str(Path(found.python).absolute())  # its links lead out of its environment
    if found.alone is None:
        found.alone = "" if found.brief else ",".join(map(str, ALONE))
    if found.keep and found.brief:
        parser.error("--keep: only of all that is measured, without --brief")
    return found


def end_by_signal(signal_number: int, _: object) -> None:
    """Ends by way of every `with`, so that no server stays."""
    raise SystemExit(128 + signal_number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end_by_signal)
    main(options())
