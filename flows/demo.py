"""`make demo`: two weeks of an emulated fleet's history, then answers to the README's questions.

The days are always the same ones, so that the answers are those that the README shows. On the last
day one region denies its list: its builds keep standing as they were the day before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from extract.emulator import Emulator, start
from extract.emulator.settings import REGIONS
from flows.answers import write_answer
from flows.formats import Format
from flows.parameters import SnapshotParameters
from flows.pipeline import Summary, take_snapshot
from flows.questions import questions
from flows.summary import exit_status, sentence
from lake.warehouse import connect

LAST_DATE: Final = date(2026, 11, 23)
DAYS: Final = 14
DENIED: Final = "333344445555/eu-central-1"
FOLDER: Final = Path("data/demo")


def main(folder: Path = FOLDER) -> None:
    """Takes the history into `folder`, which is made anew, and prints the answers."""
    shutil.rmtree(folder, ignore_errors=True)
    warehouse = folder / "imagelake.duckdb"
    take_history(folder / "lake", warehouse, LAST_DATE, _take_tracked)
    with connect(warehouse) as connection:
        for question in questions():
            _say(f"\n{question.asks}")
            write_answer(connection, question.sql, Format.TABLE, sys.stdout)
    _say(f'\nAsk your own: .venv/bin/imagelake sql --warehouse {warehouse} "from golden_amis"')


def take_history(
    lake: Path,
    warehouse: Path,
    last_date: date,
    take_last: Callable[[Emulator, date, Path, Path], object],
) -> None:
    """The snapshots of two weeks, the last of them, on which a region is denied, by `take_last`."""
    dates = [last_date - timedelta(days=DAYS - 1 - day) for day in range(DAYS)]
    with start(clock=_noon(dates[0])) as emulator:
        os.environ.update(emulator.environment())
        _say(f"{DAYS} daily snapshots of 3 accounts x 4 regions, from a local endpoint:")
        for day in dates[:-1]:
            summary = take(emulator, day, lake, warehouse)
            if exit_status(summary):
                raise SystemExit(f"{day}: {sentence(summary)}")
            _say(f"  {day}  {sentence(summary)}, {summary.seconds:.1f} s")
        emulator.set_faults(DENIED, {"always": "access_denied"})
        take_last(emulator, dates[-1], lake, warehouse)


def take(emulator: Emulator, day: date, lake: Path, warehouse: Path) -> Summary:
    """The snapshot of a day, untracked, in this process."""
    emulator.set_clock(_noon(day))
    return take_snapshot(
        SnapshotParameters(
            lake=str(lake),
            warehouse=warehouse,
            date=day,
            region=list(REGIONS),
            role_arn=emulator.role_arns(),
        )
    )


def _take_tracked(emulator: Emulator, day: date, lake: Path, warehouse: Path) -> None:
    """The last day, as `imagelake run --track` takes it: a run of the Prefect flow."""
    emulator.set_clock(_noon(day))
    _say(f"  {day}  tracked by Prefect, on a temporary server (about 20 s)")
    options = [
        *("--lake", str(lake), "--warehouse", str(warehouse), "--date", day.isoformat()),
        *(part for region in REGIONS for part in ("--region", region)),
        *(part for role in emulator.role_arns() for part in ("--role-arn", role)),
    ]
    command = [sys.executable, "-m", "flows.cli", "run", "--track", *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if ran.returncode != 3:  # 3: committed, but a target was not read whole
        raise SystemExit(f"imagelake run --track ended with {ran.returncode}:\n{ran.stderr}")
    _say(f"  {day}  {_flow_state(ran.stdout + ran.stderr)}")
    _say(f"  ({DENIED} denies its list that day, as a region sometimes does)")


def _flow_state(log: str) -> str:
    """The flow run's own last word, as Prefect logged it."""
    finished = [line for line in log.splitlines() if "Flow run" in line and "Finished in" in line]
    return finished[-1].partition("Finished in state ")[2] if finished else "flow run finished"


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
