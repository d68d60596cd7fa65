"""The warehouse: a small DuckDB file of views over the lake, replaced by rename, never written to.

Anyone who can read the lake can build one.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Final
from uuid import uuid4

import duckdb

from lake.changes import has_changes
from lake.commit import ORPHAN_AGE
from lake.definitions import comments_on, definitions
from lake.pinned import pinned_definitions
from lake.records import newest_content
from lake.remote import let_read
from lake.replaced import warn_of_replaced
from lake.schema_files import write_schema_files
from lake.sql import text
from lake.state import has_state
from lake.storage import TEMPORARY, Lake, StorageError
from schemas import __version__
from schemas.view import column_comment, macros, views

DEFAULT_WAREHOUSE: Final = Path("data/imagelake.duckdb")
WAREHOUSE_VARIABLE: Final = "IMAGELAKE_WAREHOUSE"
STORAGE_VERSION: Final = "v1.0.0"
"""What every DuckDB from 1.0 on reads; a file that 2.0 writes as it comes, no 1.x opens."""


_WAREHOUSE_INFO: Final = {
    "": "What this warehouse is. Grain: one row.",
    "lake": "The lake that the views read.",
    "imagelake_version": "The version that built the warehouse.",
    "published_at": "When it was built.",
    "fingerprint": "Whether it is live or pinned, and a digest of its definitions: it is built again "
    "only where they change.",
}
_LIVE: Final = "live"
_PINNED: Final = "pinned"


def publish(lake: Lake, path: Path) -> bool:
    """Builds the warehouse of live views at `path`, beside it and renamed over it.

    Doing it twice is the same as doing it once: a warehouse that is as it should be is left alone.
    Returns whether it was built. Raises StorageError where the file cannot be written.
    """
    newest_content(lake)  # one of a newer imagelake is refused
    versions = write_schema_files(lake)
    statements = definitions(
        lake, versions, has_state=has_state(lake), has_changes=has_changes(lake)
    )
    return _publish(lake, path, _LIVE, statements)


def publish_pinned(lake: Lake, path: Path) -> bool:
    """Builds a warehouse that shows for good what the lake shows now, by the names of its files.

    As `publish` otherwise; where another process has meanwhile put one there that shows a later
    state, that one stays. It reads faster than live views, and no commit after it changes it; the
    files it names go when `maintain` takes their run.
    """
    write_schema_files(lake)
    return _publish(lake, path, _PINNED, pinned_definitions(lake))


def _publish(lake: Lake, path: Path, kind: str, statements: list[str]) -> bool:
    _remove_leftovers(path)
    digest = hashlib.sha256(
        "\n".join([*statements, repr((views(), macros()))]).encode()
    ).hexdigest()
    fingerprint = f"{kind} {digest}"
    found = _fingerprint_of(path) if path.exists() else ""
    if found == fingerprint:
        return False
    _require_kind(path, found, kind)
    staged = path.with_name(f"{path.name}{TEMPORARY}{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        info = [_info(lake, fingerprint), *comments_on("warehouse_info", _WAREHOUSE_INFO)]
        _build(lake, staged, [*statements, *info])
        if kind == _PINNED and _is_overtaken(staged, path, found):
            return False
        staged.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: cannot be written: {_line(error)}"
        ) from error
    finally:
        staged.unlink(missing_ok=True)
    return True


def _is_overtaken(staged: Path, path: Path, found: str) -> bool:
    """Whether the file at `path` is not the one found before, and shows a later state than ours."""
    is_same = not path.exists() or _fingerprint_of(path) == found
    return not is_same and _shown_until(path) > _shown_until(staged)


def _remove_leftovers(path: Path) -> None:
    """Removes what publications of this warehouse that were killed left beside it."""
    name = re.compile(re.escape(path.name + TEMPORARY) + r"[0-9a-f]+(\.wal)?")
    until = (datetime.now(UTC) - ORPHAN_AGE).timestamp()
    with suppress(OSError):  # not there yet, or somebody else's: nothing that a reader would see
        for beside in path.parent.iterdir():
            if name.fullmatch(beside.name) and beside.stat().st_mtime < until:
                beside.unlink(missing_ok=True)


def require_replaceable(path: Path) -> None:
    """Raises StorageError where the file at `path` is something else than a live warehouse."""
    if path.exists():
        _require_kind(path, _fingerprint_of(path), _LIVE)


def _require_kind(path: Path, fingerprint: str, kind: str) -> None:
    """A live warehouse never silently becomes a frozen one, nor the other way round."""
    there = _PINNED if fingerprint.startswith(f"{_PINNED} ") else _LIVE
    if fingerprint and there != kind:
        raise StorageError(
            f"--warehouse {str(path)!r}: the file is a {there} warehouse, and this would make it a "
            f"{kind} one; remove it or give another"
        )


def make_place(path: Path) -> None:
    """Makes the warehouse's folder. Raises StorageError where nothing can be written in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: cannot be written: {error.strerror}; give another"
        ) from error


def connect(path: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the warehouse; its times, and those of its cursors, are UTC.

    Without a path it is the warehouse that `imagelake sql` asks: IMAGELAKE_WAREHOUSE, else
    data/imagelake.duckdb. The views are live, so that one connection sees each new snapshot. Only
    where the file was replaced since, as a newer imagelake does, DuckDB goes on with the old one in
    a process that still has it open: a warning says so.

    Raises StorageError where there is no warehouse, or the file is none.
    """
    path = Path(path or os.environ.get(WAREHOUSE_VARIABLE) or DEFAULT_WAREHOUSE).expanduser()
    if not path.is_file():
        raise StorageError(
            f"--warehouse {str(path)!r}: there is none; take a snapshot with `imagelake run`, or "
            "build one for an existing lake with `imagelake publish`"
        )
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise StorageError(f"--warehouse {str(path)!r}: {error}") from error
    connection.execute("set global timezone = 'UTC'")
    let_read(connection, lake_of(connection))
    warn_of_replaced(connection, path)
    return connection


def lake_of(connection: duckdb.DuckDBPyConnection) -> str:
    """The location of the lake that a warehouse's views read."""
    try:
        row = connection.execute("select lake from warehouse_info").fetchone()
    except duckdb.CatalogException:
        return ""  # somebody else's database
    return str(row[0]) if row else ""


def current_captures(path: Path) -> dict[tuple[str, str], date]:
    """By account and region, the date of the capture that the current_* views show."""
    with connect(path) as connection:
        rows = connection.execute("select account_id, region, snapshot_date from current_targets")
        return {(account_id, region): day for account_id, region, day in rows.fetchall()}


def _build(lake: Lake, path: Path, statements: list[str]) -> None:
    with duckdb.connect() as connection:
        let_read(connection, lake.uri)
        connection.execute(
            f"attach {text(str(path))} as warehouse (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("use warehouse")
        connection.begin()  # one write to the disk for some hundred statements
        for statement in statements:
            connection.execute(statement)
        for macro in macros():
            comment = text(macro.comment)
            connection.execute(f"comment on macro table {macro.name} is {comment}")
        columns = _columns(connection)
        for view in views():
            comments = {name: column_comment(view, name) for name in columns[view.name]}
            for statement in comments_on(view.name, {"": view.comment, **comments}):
                connection.execute(statement)
        connection.commit()
        connection.execute("use memory")
        connection.execute("detach warehouse")


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """By view, its columns as the catalog has them: to describe a view would be to plan it again."""
    rows = connection.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns() "
        "where database_name = current_database() group by table_name"
    )
    return dict(rows.fetchall())


def _info(lake: Lake, fingerprint: str) -> str:
    now = datetime.now(UTC).isoformat()
    return f"""create view warehouse_info as
select
    {text(lake.uri)} as lake,
    {text(__version__)} as imagelake_version,
    timestamptz '{now}' as published_at,
    {text(fingerprint)} as fingerprint"""


def _fingerprint_of(path: Path) -> str:
    """The fingerprint of the warehouse there.

    Raises StorageError where the file is something else, so that it is never replaced.
    """
    try:
        return str(_asked(path, "select fingerprint from warehouse_info"))
    except (duckdb.Error, OSError) as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: the file is no warehouse of imagelake; remove it or give "
            "another"
        ) from error


def _shown_until(pinned: Path) -> int:
    """When the newest run that the pinned warehouse shows took effect, in ms; 0 without any."""
    return int(_asked(pinned, "select coalesce(epoch_ms(max(effective_at)), 0) from visible_runs"))


def _asked(path: Path, query: str) -> Any:
    """The one value of the answer; from a copy where another process has the file open to write."""
    try:
        return _answer(path, query)
    except duckdb.IOException:
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "copy.duckdb"
            copyfile(path, copy)
            return _answer(copy, query)


def _answer(path: Path, query: str) -> Any:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else ""


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
