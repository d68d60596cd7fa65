"""What DuckDB needs to read a lake on S3: its httpfs extension, and a secret for the bucket."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import duckdb

from lake.sql import text
from lake.storage import LakeSettings, StorageError

PACKAGE: Final = "duckdb_extension_httpfs"
"""The package that carries the extension's file, for one version of DuckDB."""
SECRET: Final = "imagelake"  # noqa: S105 - its name

_AWS: Final = re.compile(r"s3(?:\.[a-z0-9-]+)?\.(amazonaws\.com(?:\.cn)?)")


def let_read(connection: duckdb.DuckDBPyConnection, uri: str) -> None:
    """Lets the connection read the lake; a folder needs nothing.

    The credentials are those of the standard AWS chain as they are now, and live in this connection
    only. Raises StorageError where the extension or the credentials are not to be had.
    """
    if not uri.startswith("s3://"):
        return
    from lake.bucket import open_bucket  # boto3 is imported only where it is needed

    _load_httpfs(connection)
    access = open_bucket(uri, LakeSettings()).store.access()
    endpoint = urlsplit(access.endpoint)
    host = endpoint.netloc
    aws = _AWS.fullmatch(host)
    if aws:  # the session's region may be another than the bucket's, and DuckDB follows no redirect
        host = f"s3.{access.region}.{aws[1]}"
    connection.execute(
        f"""
        create or replace secret {SECRET} (
            type s3, key_id ?, secret ?, session_token ?, region ?, scope ?,
            endpoint ?, url_style ?, use_ssl ?
        )
        """,
        [
            access.key_id,
            access.secret,
            access.session_token,
            access.region,
            uri,
            host,
            "vhost" if aws else "path",
            endpoint.scheme == "https",
        ],
    )


def _load_httpfs(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        if (packaged := _packaged()) is not None:
            connection.execute(f"load {text(str(packaged))}")
        else:
            connection.execute("install httpfs")
            connection.execute("load httpfs")
    except duckdb.Error as error:
        raise StorageError(
            f"DuckDB {duckdb.__version__} reads s3:// by its extension httpfs, which cannot be had: "
            f"{str(error).partition(chr(10))[0]}; let it reach its own site once, or install "
            "imagelake[s3]"
        ) from error


def _packaged() -> Path | None:
    """The extension's file for this DuckDB, where the package is installed and has it."""
    found = importlib.util.find_spec(PACKAGE)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for file in Path(folder).glob(f"**/v{duckdb.__version__}/**/httpfs.duckdb_extension"):
            return file
    return None
