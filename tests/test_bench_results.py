"""The results of `make bench` as tables, as drawings and held against what is asked of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.bench import plots
from tests.bench.compare import command_line, options
from tests.bench.goals import goal_lines
from tests.bench.parts import PARTS
from tests.bench.plots import SERIES, drawings, points_of
from tests.bench.results import about_this_machine, lines, load

PROJECT = Path(__file__).parents[1]

WAYS = {
    "imagelake": {"cpu": 5.0, "wall": 4.5, "peak_mb": 340.0, "parquet_mb": 8.0, "runs": 3},
    "dlt_default": {"cpu": 25.0, "wall": 27.0, "peak_mb": 280.0, "parquet_mb": 44.0, "runs": 3},
    "processes": {"cpu": 6.0, "wall": 3.0, "peak_mb": 450.0, "parquet_mb": 8.0, "runs": 3},
    "tracked": {"cpu": 9.0, "wall": 12.0, "peak_mb": 620.0, "parquet_mb": 8.0, "runs": 3},
}
ROWS = {
    "image_builds": 100_000,
    "image_amis": 150_000,
    "image_containers": 90_000,
    "image_region_failures": 3_000,
}
RESULTS: dict[str, Any] = {
    "date": "2026-11-25",
    "command": "make bench KEEP=1 ROUNDS=3",
    "machine": {"cores": 2, "memory_gb": 24, "processor": "AMD EPYC", "load": 0.2},
    "versions": {"Python": "3.11.7", "dlt": "1.31.0"},
    "sizes": {
        "100000": {
            "rows": ROWS,
            "bytes": {"image_builds": 2_500_000, "image_amis": 1_500_000},
            "ways": WAYS,
        },
        "300000": {
            "rows": {**ROWS, "image_builds": 300_000},
            "bytes": {},
            "ways": {"imagelake": {**WAYS["imagelake"], "cpu": 15.0, "runs": 1}},
        },
    },
    "calls": {
        "call": 1100.0,
        "noise": 16.0,
        **dict.fromkeys(PARTS, 20.0),
        "parser": 4300.0,
        "checks": 9.0,
    },
    "stages": {"decode": 0.5, "columns": 1.25},
    "commands": {"--help": 0.25, "status": 1.5},
    "pacing": [{"targets": 5, "seconds": 6.0, "least": 4.0, "processes": 7.0}],
}


def test_results_become_tables() -> None:
    assert list(lines(RESULTS)) == [
        "100,000 builds, 150,000 AMIs, 90,000 container URIs, 3,000 region failures:",
        "",
        "| way | CPU | beside imagelake | wall | peak memory | Parquet |",
        "|---|--:|--:|--:|--:|--:|",
        "| **`imagelake run`** | 5.0 s | 1.00 | 4.5 s | 340 MB | 8.0 MB |",
        "| `imagelake run --processes 2` | 6.0 s | 1.20 | 3.0 s | 450 MB | 8.0 MB |",
        "| `imagelake run`, tracked by Prefect | 9.0 s | 1.80 | 12.0 s | 620 MB | 8.0 MB |",
        "| dlt, as it comes | 25.0 s | 5.00 | 27.0 s | 280 MB | 44.0 MB |",
        "",
        "| builds | CPU | a 1,000 builds | wall | peak memory | 2 processes: wall | peak memory | "
        "tracked: CPU | peak memory |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        "| 100,000 | 5.0 s | 50 ms | 4.5 s | 340 MB | 3.0 s | 450 MB | 9.0 s | 620 MB |",
        "| 300,000 | 15.0 s | 50 ms | 4.5 s | 340 MB |  |  |  |  |",
        "",
        "Parquet that imagelake wrote of 100,000 builds, in bytes a row: 25 of `image_builds`, "
        "10 of `image_amis`.",
        "",
        "| stage of a run over 100,000 builds | CPU |",
        "|---|--:|",
        "| decode | 0.50 s |",
        "| columns | 1.25 s |",
        "| Prefect, where it tracks the run | 4.00 s |",
        "",
        "| beside or in a call's 1.10 ms | CPU | |",
        "|---|--:|---|",
        "| botocore's parser | 4.30 ms | spared, by its `before-parse` event |",
        "| building the user agent | 0.02 ms | spared: one is given |",
        "| collecting garbage at Python's own rate | 0.02 ms | spared: rarer, of imports never |",
        "| signing | 0.02 ms | stays: it is needed |",
        "| resolving the endpoint | 0.02 ms | stays: botocore remembers it, and has no switch |",
        "| all event handlers but the signer's | 0.02 ms | stay: botocore's own, not ours to take |",
        "| retries by its `standard` mode | 0.02 ms | stay: `legacy` costs the same |",
        "| checking the parameters | under 0.02 ms | stays: a wrong one is told before a call |",
        "| looking whether to compress | 0.02 ms | stays: not worth a setting |",
        "",
        "Over 365 dates, from start to end: `imagelake --help` 0.25 s, `imagelake status` 1.50 s.",
        "",
        "Medians of 3 runs (of 100,000 builds), one run (of 300,000 builds), measured on 2026-11-25 "
        "by `make bench KEEP=1 ROUNDS=3` on 2 cores (AMD EPYC) and 24 GB, with Python 3.11.7, dlt "
        "1.31.0.",
    ]


def test_results_of_a_busy_machine_say_so() -> None:
    busy = {**RESULTS, "machine": {**RESULTS["machine"], "load": 8.25}}
    *_, told = lines(busy)
    assert "2 cores (AMD EPYC) and 24 GB, busy otherwise (load 8.2), with Python" in told


def test_libraries_that_are_missing_are_one_line() -> None:
    """As where the environment with what is compared with could not be made."""
    with pytest.raises(
        SystemExit, match=r"(?s)^/\S+ has not .* No package metadata .*: call .*$"
    ) as e:
        about_this_machine(str(Path("/usr/bin/python3")))
    assert "\n" not in str(e.value)


def test_what_is_called_is_told() -> None:
    """With what was not as it is by default."""
    assert command_line(options(["--keep"])) == "make bench KEEP=1"
    given = ["--keep", "--sizes", "10000", "--alone", "", "--rounds", "2"]
    assert command_line(options(given)) == "make bench KEEP=1 SIZES=10000 ALONE= ROUNDS=2"
    assert command_line(options(["--brief"])) == "make bench BRIEF=1"


def test_a_table_has_columns_for_what_was_measured() -> None:
    """Neither of several processes nor of Prefect where no such run was."""
    alone = {"100000": {**RESULTS["sizes"]["300000"], "rows": ROWS}}
    without_stages = {name: each for name, each in RESULTS.items() if name != "stages"}
    told = list(lines({**without_stages, "sizes": alone}))
    assert told[:3] == [
        "| builds | CPU | a 1,000 builds | wall | peak memory |",
        "|--:|--:|--:|--:|--:|",
        "| 100,000 | 15.0 s | 150 ms | 4.5 s | 340 MB |",
    ]


def test_results_are_held_against_what_is_asked_of_them() -> None:
    assert list(goal_lines(RESULTS)) == [
        "met    CPU at 100,000 builds beside dlt, as it comes: 0.20 times (at most 0.25 times)",
        "MISSED CPU of a page of 100 builds: 5.00 ms (at most 4 ms)",
        "met    peak memory at 100,000: 340.00 MB (at most 350 MB)",
        "MISSED Parquet of a row of image_builds: 25.00 bytes (at most 20 bytes)",
        "met    Parquet of a row of image_amis: 10.00 bytes (at most 20 bytes)",
        "MISSED wall at 100,000 builds in 2 processes beside one: 0.67 times (at most 0.6 times)",
        "MISSED peak memory at 100,000 with Prefect: 620.00 MB (at most 600 MB)",
        "met    imagelake --help: 0.25 s (at most 0.3 s)",
        "MISSED imagelake status: 1.50 s (at most 1 s)",
    ]


def test_the_drawings_show_the_kept_results() -> None:
    for name, drawing in drawings(load()).items():
        assert points_of((plots.FOLDER / name).read_text()) == points_of(drawing)


def test_a_drawing_has_every_colour_twice() -> None:
    """One for a light page, and in its style another for a dark one."""
    for drawing in drawings(RESULTS).values():
        style = re.findall(r'\[(fill|stroke)="(#\w+)"\]\{\1:(#\w+)\}', drawing)
        shown = {*re.findall(r' (fill|stroke)="(#\w+)"', drawing)}
        assert shown <= {(part, light) for part, light, _ in style}
        assert len({colour for _, colour in shown}) >= 3
        assert all(light != dark for _, light, dark in style)
    paced = points_of(drawings(RESULTS)["pacing.svg"])
    assert [(point["series"], point["y"]) for point in paced] == [
        ("imagelake", 6.0),
        ("imagelake, 2 processes", 7.0),
        ("least possible", 4.0),
    ]
    names = {words for words, _, _ in SERIES.values()}
    assert {point["series"] for point in points_of(drawings(RESULTS)["cpu.svg"])} < names
