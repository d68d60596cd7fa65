"""`python -m tests.bench.dashboards`: how long each chart of the dashboards takes on a year of history.

Imports the bundle over the lake of `tests.bench.changes` (365 dates of 100,000 builds each, or one of
`--dates` and `--builds`, kept in `--folder` and used again where it is there), has Superset write each
chart's SQL, and asks that of a live warehouse and of a materialized one, each time on a new connection,
as Superset does. Ends with 1 where a median is above the most that a chart may take.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from flows.superset.serving import ENVIRONMENT, Superset
from lake.folder import Folder
from lake.warehouse import connect, publish, publish_materialized
from tests.bench.changes import built
from tests.bench.lakes import say
from tests.superset_api import Api

PORT: Final = 8089
MOST: Final = 1.0
"""Seconds that a chart may take on two cores."""
KINDS: Final[dict[str, Callable[[Folder, Path], bool]]] = {
    "live": publish,
    "materialized": publish_materialized,
}


def main(dates: int, builds: int, folder: Path | None, rounds: int) -> int:
    """Prints a line a chart, the slowest last."""
    with TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        lake = built(root, dates, builds)
        warehouses = {kind: Path(temporary) / f"{kind}.duckdb" for kind in KINDS}
        for kind, build in KINDS.items():
            build(lake, warehouses[kind])
        queries = sql_of_charts(warehouses["live"], Path(temporary) / "home")
        spent = {
            title: [measured(warehouse, query, rounds) for warehouse in warehouses.values()]
            for title, query in queries.items()
        }
    say(f"{' '.join(f'{kind:>12}' for kind in KINDS)}    (s, median of {rounds})")
    for title, seconds in sorted(spent.items(), key=lambda item: item[1]):
        say(f"{' '.join(f'{one:12.3f}' for one in seconds)}    {title}")
    slow = [title for title, seconds in spent.items() if max(seconds) > MOST]
    if slow:
        say(f"above {MOST:.0f} s: {', '.join(slow)}")
    return len(slow) > 0


def sql_of_charts(warehouse: Path, home: Path) -> dict[str, str]:
    """By title, the query of each chart of the bundle, as Superset writes it."""
    environment = Path(os.environ.get("IMAGELAKE_SUPERSET") or ENVIRONMENT).absolute()
    superset = Superset(environment, home)
    password = superset.prepare(warehouse)
    assert password
    with superset.serving(PORT) as url:
        api = Api(url, password)
        return {title: api.sql(number) for title, number in api.charts().items()}


def measured(warehouse: Path, query: str, rounds: int) -> float:
    """The median seconds from a new connection to the last row; the first time is not counted."""
    return median([_seconds(warehouse, query) for _ in range(rounds + 1)][1:])


def _seconds(warehouse: Path, query: str) -> float:
    began = time.perf_counter()
    with connect(warehouse) as connection:
        connection.execute(query).fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m tests.bench.dashboards")
    parser.add_argument("--dates", type=int, default=365, help="dates of the lake")
    parser.add_argument("--builds", type=int, default=100_000, help="builds of each date")
    parser.add_argument("--folder", type=Path, help="where to keep the lake; none: thrown away")
    parser.add_argument("--rounds", type=int, default=3, help="times that each chart is asked")
    given = parser.parse_args()
    sys.exit(main(given.dates, given.builds, given.folder, given.rounds))
