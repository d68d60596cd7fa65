"""The ways that `make bench` compares: each writes the same rows; each stage and part is measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extract.emulator import Emulator
from schemas.tables import DATA_TABLES
from tests.bench.endpoint import REGIONS, serving
from tests.bench.parts import PARTS
from tests.bench.results import STAGES_FILE, stages_of
from tests.bench.same_rows import DifferentRowsError, require_same_rows
from tests.bench.ways import (
    DLT,
    IMAGELAKE,
    RIVALS,
    clean_environment,
    command_of,
    parquet_bytes,
    warehouse_of,
)

PROJECT = Path(__file__).parents[1]
BENCH_PYTHON = PROJECT / ".venv/bench/bin/python"
BUILDS = 1_100
"""Two pages a region."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Emulator]:
    with serving(BUILDS) as emulator:
        yield emulator


def run(way: str, folder: Path, endpoint: Emulator, python: str = sys.executable) -> Path:
    """The folder, with what the way wrote."""
    folder.mkdir()
    environment = {**clean_environment(), **endpoint.environment()}
    command = command_of(way, folder, python)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def ours(endpoint: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of imagelake."""
    return run(IMAGELAKE, tmp_path_factory.mktemp("ours") / "run", endpoint)


@pytest.fixture(scope="module")
def theirs(endpoint: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a plain script wrote."""
    return run("boto3_from_pylist", tmp_path_factory.mktemp("theirs") / "run", endpoint)


@pytest.mark.slow
def test_a_plain_script_writes_the_rows_of_imagelake(
    endpoint: Emulator, ours: Path, theirs: Path
) -> None:
    """And both are served pages that lay ready, without one being rendered for them."""
    rows = require_same_rows(warehouse_of(ours), "boto3_from_pylist", theirs)
    assert list(rows) == [table.name for table in DATA_TABLES]
    assert rows["image_builds"] == endpoint.stats()["builds"]


@pytest.mark.long
@pytest.mark.parametrize("way", RIVALS)
def test_a_script_writes_the_rows_of_imagelake(
    endpoint: Emulator, ours: Path, tmp_path: Path, way: str
) -> None:
    if way in DLT and not BENCH_PYTHON.exists():
        pytest.skip("dlt is in the benchmark's environment, which `make bench` makes")
    ready = endpoint.stats()["builds"]
    theirs = run(way, tmp_path / way, endpoint, str(BENCH_PYTHON if way in DLT else sys.executable))
    rows = require_same_rows(warehouse_of(ours), way, theirs)
    assert list(rows) == [table.name for table in DATA_TABLES]
    assert rows["image_builds"] == ready == endpoint.stats()["builds"]
    if way not in DLT:
        assert parquet_bytes(way, theirs).keys() == parquet_bytes(IMAGELAKE, ours).keys()


def without_the_first(rows: pa.Table) -> pa.Table:
    return rows.slice(1)


def with_the_first_twice(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, 1)])


def with_another_value(rows: pa.Table) -> pa.Table:
    values = rows["region"].to_pylist()
    return rows.set_column(
        rows.schema.get_field_index("region"), "region", pa.array([values[0][:-1], *values[1:]])
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "spoil", "words"),
    [
        ("image_builds", without_the_first, "missing 1 rows"),
        ("image_amis", with_the_first_twice, "too many 1 rows"),
        ("image_amis", with_another_value, "missing 1 rows"),
        ("image_containers", with_another_value, "missing 1 rows"),
        ("image_region_failures", without_the_first, "missing 1 rows"),
    ],
)
def test_one_other_value_is_found(
    ours: Path, theirs: Path, table: str, spoil: Any, words: str
) -> None:
    path, rows = next(
        (path, rows)
        for path in sorted((theirs / table).glob("*.parquet"))
        if (rows := pq.read_table(path)).num_rows
    )
    kept = path.read_bytes()
    pq.write_table(spoil(rows), path)
    try:
        with pytest.raises(DifferentRowsError, match=f"boto3_from_pylist, {table}: {words}"):
            require_same_rows(warehouse_of(ours), "boto3_from_pylist", theirs)
    finally:
        path.write_bytes(kept)


@pytest.mark.long
def test_each_stage_of_a_run_is_measured(endpoint: Emulator, tmp_path: Path) -> None:
    """None is without seconds: each clock stands around a function that the run calls."""
    told = tmp_path / "stages"
    regions = [part for region in REGIONS for part in ("--region", region)]
    subprocess.run(
        [sys.executable, "-m", "tests.bench.stages", *regions],
        cwd=tmp_path,
        env={
            **clean_environment(),
            **endpoint.environment(),
            STAGES_FILE: str(told),
            "PYTHONPATH": str(PROJECT),
        },
        check=True,
        capture_output=True,
    )
    stages = stages_of(json.loads(told.read_text()), 100.0)
    assert sum(stages.values()) == pytest.approx(100)
    assert min(stages.values()) > 0
    assert max(stages, key=lambda name: stages[name]) == "start, plan, end"


@pytest.mark.long
def test_each_part_of_a_call_is_measured(endpoint: Emulator) -> None:
    """The parser's part is most of a call, and all others are less."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench.calls", "3", "10"],
        env={**clean_environment(), **endpoint.environment()},
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
    )
    told = json.loads(ended.stdout)
    assert list(told) == ["call", "noise", *PARTS]
    assert max(told, key=lambda name: told[name]) == "parser"
    assert told["signing"] > 0


def test_what_is_compared_has_the_project_s_own_versions() -> None:
    """boto3, pyarrow and DuckDB are the same on both sides."""
    ours, theirs = (
        dict(re.findall(r"^([\w-]+)==([\w.]+)", (PROJECT / path).read_text(), re.MULTILINE))
        for path in ("requirements.lock", "tests/bench/requirements.lock")
    )
    shared = ours.keys() & theirs.keys()
    assert {"boto3", "botocore", "pyarrow", "duckdb", "pandas"} <= shared
    assert {name: theirs[name] for name in shared} == {name: ours[name] for name in shared}
