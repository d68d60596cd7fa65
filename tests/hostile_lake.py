"""A lake whose every text from outside tries to be markup, script or another direction of reading."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import publish
from tests.rows import Row, Target, ami, build, covered
from tests.test_writer import commit_rows

HOSTILE: Final = (
    "<script>alert('x')</script></script><img src=https://evil.example/x onerror=alert(1)>"
    "\"'`&amp;</style></svg>]]><!-- \u202egnp.exe\u2028 {{7*7}} javascript:alert(2) \x1b[31m"
)
"""Markup, quotes, ends of every element of the page, U+202E, a line separator, an escape sequence."""
SHOWN: Final = (
    HOSTILE.replace("\u202e", "\\u202e").replace("\u2028", "\\u2028").replace("\x1b", "\\x1b")
)
"""The same as the page shows it: to the letter, but for what is not to be obeyed."""
STEP: Final = "\u202e</svg><b>\"'&"
STEP_SHOWN: Final = STEP.replace("\u202e", "\\u202e")
"""Short, so that a chart shows all of it."""

DAYS: Final = (date(2025, 11, 19), date(2025, 11, 20))
BUILDS: Final = 60
TARGET: Final[Target] = ("111111111111", "us-east-1")
DENIED: Final[Target] = ("222222222222", "us-east-1")


def write_hostile_lake(folder: Folder, builds: int = BUILDS) -> None:
    """Two dates of so many failed and other builds; the second has a target that is denied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day in DAYS:
            _commit(folder, day, builds)


def _commit(folder: Folder, day: date, builds: int) -> None:
    rows: list[Row] = []
    amis: list[Row] = []
    for number in range(builds):
        slug = f"image-{number}"
        failed = build(TARGET, day, f"{slug}/1.0.0/2", "FAILED" if day == DAYS[1] else HOSTILE)
        made = build(TARGET, day, f"{slug}/1.0.0/1", "AVAILABLE")
        rows += [
            {
                **failed,
                "name": HOSTILE,
                "created_at": failed["captured_at"],
                "failure_step": f"{number % 14}{STEP}",
                "state_reason": HOSTILE,
                "failure_component_message": f"{number} {HOSTILE}",
                "failure_component_arn": HOSTILE,
                "tags": [(f"{HOSTILE}{number}", HOSTILE)],
            },
            {
                **made,
                "name": HOSTILE,
                "created_at": made["captured_at"],
                "deprecation_time": made["captured_at"],
            },
        ]
        amis.append(ami(TARGET, day, f"{slug}/1.0.0/1", 0, HOSTILE, "AVAILABLE"))
    denied = {**covered(DENIED, day, "failed", "none"), "region": HOSTILE, "error_message": HOSTILE}
    commit_rows(
        folder,
        day,
        {
            "image_builds": rows,
            "image_amis": amis,
            "snapshot_targets": [covered(TARGET, day, "complete", "whole", len(rows)), denied],
            "snapshots": [
                {
                    "started_at": rows[0]["captured_at"],
                    "committed_at": rows[0]["captured_at"],
                    "status": "partial",
                    "parameters": json.dumps({"required_tag": [HOSTILE]}),
                    "warnings": json.dumps([HOSTILE]),
                }
            ],
        },
    )


@pytest.fixture(scope="session")
def hostile_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its warehouse."""
    folder = open_folder(str(tmp_path_factory.mktemp("hostile") / "lake"))
    write_hostile_lake(folder)
    path = folder.root.with_name("hostile.duckdb")
    publish(folder, path)
    return path
