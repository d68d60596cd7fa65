"""Superset's settings for `make superset`: everything in SUPERSET_HOME, for this machine alone."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine
from superset.config import TALISMAN_CONFIG

HOME = Path(os.environ["SUPERSET_HOME"])
SECRET_KEY = (HOME / "secret_key").read_text()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}"
FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": str(HOME / "cache"),
    "CACHE_DEFAULT_TIMEOUT": 90 * 24 * 3600,
}
# The pages load nothing from elsewhere, so that nobody is told that they are looked at.
TALISMAN_CONFIG["content_security_policy"] = {
    rule: [source for source in sources if "." not in source]
    if isinstance(sources, list)
    else sources
    for rule, sources in TALISMAN_CONFIG["content_security_policy"].items()
}


@event.listens_for(Engine, "connect")
def set_pragmas(connection, _record):  # noqa: ANN001, ANN201 - Superset's environment is not checked
    """Readers never wait for a writer, and nothing waits for the disk: it can all be made anew."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")
