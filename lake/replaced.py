"""A warehouse that is replaced while this process has it open: DuckDB reads the old one on."""

from __future__ import annotations

import warnings
from pathlib import Path

import duckdb

from lake.sql import text

_opened: dict[Path, tuple[int, int, int]] = {}
"""By its path, the file that this process's connections read: its device, its number, its time."""


def warn_of_replaced(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Warns where the connection reads a file that another has taken the place of.

    DuckDB keeps one instance of a file for all connections of a process, by its real path.
    """
    path = path.resolve()
    status = path.stat()
    now = (status.st_dev, status.st_ino, status.st_mtime_ns)
    if _opened.setdefault(path, now) == now:
        return
    try:
        with duckdb.connect() as another:  # an instance of its own, which opens what is there now
            another.execute(f"attach {text(str(path))} as warehouse (read_only)")
            newest = another.execute("from warehouse.warehouse_info").fetchall()
        is_newest = connection.execute("from warehouse_info").fetchall() == newest
    except duckdb.CatalogException:  # somebody else's database
        is_newest = True
    if is_newest:
        _opened[path] = now
        return
    warnings.warn(
        f"{path} was replaced since this process opened it, and DuckDB goes on with the old one: "
        "close its other connections, then connect again",
        stacklevel=3,
    )
