"""The Superset bundle: the dashboards' files of data/superset, zipped, with the warehouse written in.

The same warehouse gives the same bytes, so that a bundle can be compared and kept.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from flows.answer_file import answer_file
from flows.parameters import ParameterError
from lake.opening import MATERIALIZED
from lake.warehouse import connect, kind_of
from schemas.view import BI

_CHECKOUT: Final = Path(__file__).parents[2] / "data" / "superset"
_PACKAGED: Final = Path(__file__).parent / "files"
FOLDERS: Final = ("databases", "datasets", "charts", "dashboards")
WAREHOUSE_URI: Final = "WAREHOUSE_URI"
"""What stands in the database's file for its address."""
ROOT: Final = "imagelake"
_SETTINGS: Final = "access_mode=read_only&timezone=UTC"
_NO_FILES: Final = "&enable_external_access=false"
"""For a warehouse that reads no file of a lake: whoever may use SQL Lab reads none either."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def write_bundle(warehouse: Path, out: Path) -> int:
    """Writes the bundle and returns how many files it holds.

    Raises ParameterError where the warehouse's path cannot be told to Superset, or the place of `out`
    cannot be written.
    """
    files = bundle_files(uri_of(warehouse))
    content = _zipped(files)
    with answer_file(out) as file:
        file.buffer.write(content)
    return len(files)


def require_for_dashboards(warehouse: Path) -> None:
    """Raises ParameterError where the warehouse there lacks what the dashboards ask."""
    needed = {path.stem for path in (_folder() / "datasets").rglob("*.yaml")}
    with connect(warehouse) as connection:
        rows = connection.execute(
            "select table_name from information_schema.tables where table_schema = ?", [BI]
        ).fetchall()
    if missing := needed - {name for (name,) in rows}:
        raise ParameterError(
            f"--warehouse {str(warehouse)!r}: it has no {BI}.{min(missing)}; an older imagelake built "
            "it: build it again with `imagelake publish`"
        )


def uri_of(warehouse: Path) -> str:
    """The SQLAlchemy address that opens the warehouse read-only, its times in UTC.

    One that is materialized opens without access to other files. SQLAlchemy takes the path to the
    letter, whatever is in it, up to a question mark.
    """
    path = str(warehouse.absolute())
    if "?" in path or not path.isprintable():
        raise ParameterError(
            f"--warehouse {str(warehouse)!r}: no address of SQLAlchemy can hold a question mark or a "
            "control character in a path; give the file another name"
        )
    holds_all = warehouse.is_file() and kind_of(warehouse) == MATERIALIZED
    return f"duckdb:///{path}?{_SETTINGS}{_NO_FILES if holds_all else ''}"


def bundle_files(uri: str) -> dict[str, str]:
    """By path in the bundle, the text of each of its files."""
    folder = _folder()
    paths = [folder / "metadata.yaml"]
    paths += [path for kind in FOLDERS for path in sorted((folder / kind).rglob("*.yaml"))]
    # JSON's strings are YAML's: whatever the path holds, it is quoted.
    written = json.dumps(uri)
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8").replace(WAREHOUSE_URI, written)
        for path in paths
    }


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def _zipped(files: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with ZipFile(whole, "w", ZIP_DEFLATED) as bundle:
        for name, text in files.items():
            info = ZipInfo(f"{ROOT}/{name}", _EPOCH)
            info.compress_type = ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it is made
            info.external_attr = 0o644 << 16
            bundle.writestr(info, text)
    return whole.getvalue()
