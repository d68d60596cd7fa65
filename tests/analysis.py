"""What the tests of the analysis views share: images by name, and a query over runs of one target."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.view import View
from tests.rows import Row, covered, rows
from tests.small_history import DAYS, HOME, LONE, OTHER
from tests.test_writer import Rows, commit_rows

WEB = (*HOME, HOME[0], "web")
DB = (*HOME, HOME[0], "db")
APP = (*HOME, HOME[0], "app")
BATCH = (*OTHER, OTHER[0], "batch")
API = (*OTHER, OTHER[0], "api")
TOOL = (*LONE, LONE[0], "tool")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commits runs, given as dates' rows, and answers a query over them."""
    monkeypatch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
    folder = open_folder(str(tmp_path / "lake"))

    def answer(query: str, *runs: Rows) -> list[tuple[Any, ...]]:
        for number, run in enumerate(runs):
            commit_rows(folder, DAYS[number], run)
        publish(folder, tmp_path / "asked.duckdb")
        with connect(tmp_path / "asked.duckdb") as connection:
            return rows(connection, query)

    return answer


def whole_run(
    day: int, builds: Sequence[Row], amis: Sequence[Row] = (), **more: Sequence[Row]
) -> Rows:
    """A run of the home target alone, read whole."""
    return {
        "image_builds": builds,
        "image_amis": amis,
        "snapshot_targets": [covered(HOME, DAYS[day], "complete", "whole", len(builds))],
        "snapshots": [{"status": "complete"}],
        **more,
    }


def key_of(view: View) -> list[str]:
    """The columns in parentheses in the view's grain."""
    assert view.key, f"{view.name}.sql: its grain names no key: {view.grain}"
    return list(view.key)
