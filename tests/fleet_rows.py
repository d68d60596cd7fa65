"""A lake's rows, to be compared with those of another run of the same fleet."""

from pathlib import Path
from typing import Any

from lake.warehouse import connect

QUERIES = {
    name: f"select * exclude ({exclude}) from {name} order by all"  # noqa: S608 - our own tables
    for name, exclude in {
        "image_builds": "run_id, captured_at",
        "image_amis": "run_id, captured_at",
        "image_containers": "run_id, captured_at",
        "snapshot_targets": "run_id, captured_at, started_at, finished_at, carried_from",
        "snapshots": "run_id, started_at, committed_at, parameters",
        "current_builds": "run_id, captured_at",
        "golden_images": "run_id, captured_at",
    }.items()
}
"""The rows of a lake, but for what tells two runs of the same fleet apart."""
Rows = dict[str, list[tuple[Any, ...]]]


def rows(warehouse: Path) -> Rows:
    """Every table's rows, but for what tells two runs of the same fleet apart."""
    with connect(warehouse) as connection:
        return {name: connection.execute(query).fetchall() for name, query in QUERIES.items()}
