"""A file without rows for each table, so that an empty lake has its columns and types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from lake.run import (
    SCHEMA_RUN,
    changes_schema_path,
    part_path,
    schema_path,
    state_folder,
    state_schema_path,
    version_of,
)
from lake.state import TARGET_TABLES
from lake.storage import Lake
from schemas.captures import CAPTURE_DIFFERENCES
from schemas.table import SCHEMA_VERSION
from schemas.tables import DATA_TABLES, TABLES


def write_schema_files(lake: Lake) -> list[int]:
    """Gives each table a file without rows for each schema version that the lake has, where it lacks.

    Returns the versions: today's and those of the files that are there.
    """
    found = {version_of(file.path) for file in lake.files("snapshots")}
    versions = sorted({SCHEMA_VERSION, *filter(None, found)})
    schemas = {
        schema_path(table.name, version): table.arrow_schema_of(version)
        for table in TABLES.values()
        for version in versions
    }
    schemas[changes_schema_path()] = CAPTURE_DIFFERENCES.arrow_schema
    for table in DATA_TABLES:
        schemas[state_schema_path(table.name)] = table.arrow_schema
    for table in TARGET_TABLES:
        schemas[part_path(state_folder(table.name, SCHEMA_RUN), 0)] = table.whole_schema
    lacking = {
        path: schema for path, schema in schemas.items() if not _is_alike(lake, path, schema)
    }
    if lacking:
        lake.make()
        # views that look where current rows lay before they lay by run are to fail, not to find none
        lake.remove(part_path(state_folder(table.name, SCHEMA_RUN), 0) for table in DATA_TABLES)
    for path, schema in lacking.items():
        staged = lake.stage(path)
        pq.write_table(schema.empty_table(), staged)
        lake.publish(staged, path)
    return versions


def _is_alike(lake: Lake, path: str, declared: pa.Schema) -> bool:
    """True where the file has the same types and words; a map's entries are renamed by Parquet."""
    try:
        with lake.open(path) as file:
            present = pq.read_schema(file)
    except FileNotFoundError:
        return False
    return bool(
        present.equals(declared)
        and present.metadata == declared.metadata
        and all(present.field(f.name).metadata == f.metadata for f in declared)
    )
