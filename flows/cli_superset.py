"""The command that makes the dashboards' bundle: superset-bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from flows.cli_asking import DEFAULTS, Warehouse
from flows.options import path_option
from flows.terminal import printable, say, show


def superset_bundle(
    out: Annotated[
        Path, path_option("--out", help="The bundle's file, which is there whole or not at all.")
    ] = Path("imagelake-superset.zip"),
    warehouse: Warehouse = DEFAULTS.warehouse,
) -> None:
    """Write the dashboards for Apache Superset as a bundle that it imports.

    The warehouse's path is written in: it must be the one at which Superset finds the file.
    """
    from flows.superset.bundle import require_for_dashboards, uri_of, write_bundle

    if warehouse.exists():
        require_for_dashboards(warehouse)
    uri = uri_of(warehouse)
    if not warehouse.exists():
        say(printable(f"imagelake: there is no {str(warehouse)!r} here; Superset will look for it"))
    count = write_bundle(warehouse, out)
    show([printable(f"{out}: {count} files for {uri}")])
