"""From a path or a URI to the lake there."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Final

from lake.folder import Folder
from lake.storage import Lake, LakeSettings, StorageError
from schemas.tables import TABLES

_COLUMNS: Final = {column.name for table in TABLES.values() for column in table.documented_columns}


def open_lake(uri: str, settings: LakeSettings | None = None) -> Lake:
    """The lake at a path or an s3:// URI; it need not exist yet.

    Raises StorageError where the place can be no lake.
    """
    settings = settings or LakeSettings()
    if uri.startswith("s3://"):
        from lake.bucket import open_bucket  # boto3 is imported only where it is needed

        bucket = open_bucket(uri, settings)
        _require_readable_name(uri, PurePath(bucket.prefix))
        return bucket
    if "://" in uri or not uri.strip():
        raise StorageError(f"--lake {uri!r}: only a folder or s3://BUCKET/PREFIX is a lake")
    return open_folder(uri, settings)


def open_folder(uri: str, settings: LakeSettings | None = None) -> Folder:
    """The lake in a folder. Raises StorageError where the place can be none."""
    root = Path(uri).absolute()
    _require_readable_name(uri, root)
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir():
        raise StorageError(f"--lake {uri!r}: {existing} is a file; give a folder")
    return Folder(root, settings or LakeSettings())


def _require_readable_name(uri: str, root: PurePath) -> None:
    """Refuses the few locations that DuckDB would misread, silently or not at all."""
    if "\\" in root.as_posix():
        raise StorageError(
            f"--lake {uri!r}: no glob of DuckDB finds a folder with a backslash; give another"
        )
    for part in root.parts:
        key, equals, _ = part.partition("=")
        if equals and key.lower() in _COLUMNS:
            raise StorageError(
                f"--lake {uri!r}: DuckDB would take the folder {part!r} for the column {key}; give "
                "another"
            )
