"""The warehouse: a small DuckDB file of views over the lake, replaced by rename, never written to.

Anyone who can read the lake can build one.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from os.path import samestat
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from uuid import uuid4

import duckdb

from lake.building import build_views
from lake.changes import has_changes
from lake.commit import ORPHAN_AGE
from lake.definitions import definitions
from lake.materialized import SPILL, build_materialized
from lake.opening import LIVE, MATERIALIZED, PINNED
from lake.opening import connect as connect
from lake.pinned import pinned_definitions
from lake.records import COMMITS, commits_in_effect, newest_content
from lake.schema_files import write_schema_files
from lake.state import has_state
from lake.storage import TEMPORARY, Lake, StorageError
from schemas.view import BI, macros, views


def publish(lake: Lake, path: Path) -> bool:
    """Builds the warehouse of live views at `path`, beside it and renamed over it.

    A link stays one: the file that it names is replaced, or made where there is none yet. Doing it
    twice is the same as doing it once: a warehouse that is as it should be is left alone. Returns
    whether it was built. Raises StorageError where the file cannot be written.
    """
    return _publish(lake, path, LIVE, _live_definitions(lake))


def publish_pinned(lake: Lake, path: Path) -> bool:
    """Builds a warehouse that shows for good what the lake shows now, by the names of its files.

    As `publish` otherwise; where another process has meanwhile put one there that shows a later
    state, that one stays. It reads faster than live views, and no commit after it changes it; the
    files it names go when `maintain` takes their run.
    """
    write_schema_files(lake)
    return _publish(lake, path, PINNED, pinned_definitions(lake))


def publish_materialized(lake: Lake, path: Path) -> bool:
    """Builds a warehouse that holds the current rows and those for BI tools, as the lake shows them.

    As `publish_pinned` otherwise. Who reads it needs no lake. Raises StorageError where the lake
    cannot be read, too.
    """
    return _publish(lake, path, MATERIALIZED, _live_definitions(lake))


def _live_definitions(lake: Lake) -> list[str]:
    newest_content(lake)  # one of a newer imagelake is refused
    versions = write_schema_files(lake)
    return definitions(lake, versions, has_state=has_state(lake), has_changes=has_changes(lake))


def _publish(lake: Lake, path: Path, kind: str, statements: list[str]) -> bool:
    _require_name(path)
    file = _file_of(path)
    _remove_leftovers(file)
    made_of = [*statements, repr((views(), macros()))]
    if kind == MATERIALIZED:
        records = commits_in_effect(lake).values()
        made_of += sorted(record.within("").path for record in records)
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    fingerprint = f"{kind} {digest}"
    found = _fingerprint_of(path) if path.exists() else ""
    if found == fingerprint:
        return False
    _require_kind(path, found, kind)
    staged = file.with_name(f"{file.name}{TEMPORARY}{uuid4().hex[:8]}")
    build = build_materialized if kind == MATERIALIZED else build_views
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        build(lake, staged, statements, fingerprint)
        if kind != LIVE and _is_overtaken(staged, file, found):
            return False
        staged.replace(file)
    except (OSError, duckdb.IOException, duckdb.TransactionException) as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: cannot be written: {_line(error)}"
        ) from error
    finally:
        _remove(staged)
    return True


def _file_of(path: Path) -> Path:
    """The file that a link names, which need not be there yet; any other path is its own, absolute.

    Were the link replaced, who reads the file by its own name or another link would keep the old one.
    Raises StorageError where a link leads to no file, but back to itself.
    """
    file = Path(os.path.realpath(path))
    if any(part.is_symlink() for part in (file, *file.parents)):
        raise StorageError(
            f"--warehouse {str(path)!r}: a link in it leads back to itself; remove that or give "
            "another"
        )
    return file


def _require_name(path: Path) -> None:
    """A database is named as its file is up to the first dot; a schema's name would be ambiguous.

    Where the path is a link, that goes for the file's own name too: DuckDB 1.5 goes by that.
    """
    if BI in (name.partition(".")[0].lower() for name in (path.name, _file_of(path).name)):
        raise StorageError(
            f"--warehouse {str(path)!r}: the database in it would be named as its schema {BI}, and "
            f"{BI}.builds be ambiguous; give the file another name"
        )


def _is_overtaken(staged: Path, path: Path, found: str) -> bool:
    """Whether the file at `path` is not the one found before, and shows a later state than ours."""
    is_same = not path.exists() or _fingerprint_of(path) == found
    return not is_same and _shown_until(path) > _shown_until(staged)


def _remove_leftovers(path: Path) -> None:
    """Removes what publications of this warehouse that were killed left beside it."""
    name = re.compile(re.escape(path.name + TEMPORARY) + r"[0-9a-f]+")
    until = (datetime.now(UTC) - ORPHAN_AGE).timestamp()
    with suppress(OSError):  # not there yet, or somebody else's: nothing that a reader would see
        for beside in path.parent.iterdir():
            staged = beside.name.removesuffix(".wal").removesuffix(SPILL)
            if name.fullmatch(staged) and beside.stat().st_mtime < until:
                _remove(beside.with_name(staged))


def _remove(staged: Path) -> None:
    """Removes a file that is not to become the warehouse, and what DuckDB put beside it."""
    staged.unlink(missing_ok=True)
    staged.with_name(f"{staged.name}.wal").unlink(missing_ok=True)
    rmtree(staged.with_name(f"{staged.name}{SPILL}"), ignore_errors=True)


def kind_of(path: Path) -> str:
    """What kind of warehouse is there; empty where none is. Raises StorageError for another file."""
    return _fingerprint_of(path).partition(" ")[0] if path.exists() else ""


def require_replaceable(path: Path, lake: Lake, kind: str = LIVE) -> None:
    """Raises StorageError where the file at `path` is no warehouse of the kind, or another lake's.

    One of a lake that was moved, so that its folder is gone, goes over to the lake.
    """
    _require_name(path)
    if not path.exists():
        return
    shown, fingerprint = _told(path)
    _require_kind(path, fingerprint, kind)
    if other := _if_other(shown, lake):
        raise StorageError(
            f"--warehouse {str(path)!r}: it shows the lake {other}; give another, or have it show "
            "this one with `imagelake publish`"
        )


def other_lake(path: Path, lake: Lake) -> str:
    """The lake that the warehouse at `path` shows, where it is another one than `lake`, and there.

    Raises StorageError where the file is no warehouse.
    """
    return _if_other(_told(path)[0], lake) if path.exists() else ""


def _if_other(shown: str, lake: Lake) -> str:
    if "://" in shown or "://" in lake.uri:
        return "" if shown == lake.uri else shown
    try:
        of_shown = (Path(shown) / COMMITS).stat()
    except OSError:  # it was moved, or is out of reach
        return ""
    try:  # a folder may be spelled in many ways
        return "" if samestat(of_shown, (Path(lake.uri) / COMMITS).stat()) else shown
    except OSError:  # it has no snapshot yet
        return shown


def _require_kind(path: Path, fingerprint: str, kind: str) -> None:
    """A warehouse of one kind never silently becomes another's: who reads it relies on it."""
    there = fingerprint.partition(" ")[0]
    if fingerprint and there != kind:
        hint = " (or give --materialize)" if there == MATERIALIZED else ""
        raise StorageError(
            f"--warehouse {str(path)!r}: the file is a {there} warehouse, and this would make it a "
            f"{kind} one; remove it or give another{hint}"
        )


def make_place(path: Path) -> None:
    """Makes the warehouse's folder. Raises StorageError where nothing can be written in it."""
    try:
        folder = _file_of(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: cannot be written: {error.strerror}; give another"
        ) from error


def _fingerprint_of(path: Path) -> str:
    """The fingerprint of the warehouse there, which is never replaced where it is something else."""
    return _told(path)[1]


def _told(path: Path) -> tuple[str, str]:
    """The lake that the warehouse there shows, and its fingerprint.

    Raises StorageError where the file is something else.
    """
    try:
        told = _asked(path, "select [lake, fingerprint] from warehouse_info")
    except (duckdb.Error, OSError) as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: the file is no warehouse of imagelake; remove it or give "
            "another"
        ) from error
    shown, fingerprint = told or ("", "")
    return shown, fingerprint


def _shown_until(frozen: Path) -> int:
    """When the newest run that the frozen warehouse shows took effect, in ms; 0 without any."""
    return int(_asked(frozen, "select coalesce(epoch_ms(max(effective_at)), 0) from visible_runs"))


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
    return " ".join(str(error).split())
