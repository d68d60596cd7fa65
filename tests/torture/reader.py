"""A reader: a process that asks a warehouse without pause and checks every answer.

It needs nothing but DuckDB, of whatever version runs it:
`python -m tests.torture.reader SETTINGS`, a JSON file.
Each transaction asks for the runs that show, for the rows of each table by run, region and label,
for a union and a full join of the tables, and for the current rows; all must tell of one state of
the lake, which never goes back. Reports are lines of JSON.

Settings: `warehouse`; `kind`, live, pinned or frozen; `lake`; `setup`, statements for a new
connection; `folder`, where `acknowledged`, `maintained` and `stop` are; `report`; `grace_seconds`;
`pause_seconds`; `seed`.
"""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from tests.torture.answers import QUERIES, VISIBLE, Answers, Row, problems, totals

GONE = ("No files found", "Cannot open file", "HTTP 404", "No such file", "(404)", "404 Not Found")
"""How an error says that clean-up took a file after the query had listed it."""
REOPENED_AFTER = 12
TOLD_EVERY_SECONDS = 0.5
RETRIED_AFTER_SECONDS = 0.2


class TooSlowError(Exception):
    """The transaction outlived what clean-up leaves to readers."""


class Reader:
    """The reader, what it has seen so far, and what it found wrong."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.random = Random(settings["seed"])  # noqa: S311 - repeatable, not secret
        self.folder = Path(settings["folder"])
        self.report = Path(settings["report"]).open("a", buffering=1)  # noqa: SIM115 - for life
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.first: Answers = {}
        self.seen: dict[str, int] = {}
        self.checked_records: set[Row] = set()
        self.figures = dict.fromkeys(("reads", "retries", "slow", "violations", "records"), 0)
        self.changes = 0

    def run(self) -> None:
        """Reads until it is told to stop."""
        told_at = 0.0
        while not (self.folder / "stop").exists():
            self._read()
            if time.monotonic() - told_at > TOLD_EVERY_SECONDS:
                told_at = time.monotonic()
                self._tell(figures=self._figures())
            time.sleep(self.settings["pause_seconds"])
        self._tell(figures=self._figures())

    def _read(self) -> None:
        is_maintained = (self.folder / "maintained").exists()
        acknowledged = self._acknowledged()
        try:
            answers = self._ask()
            is_maintained = is_maintained or (self.folder / "maintained").exists()
            if answers is None:
                raise TooSlowError
        except TooSlowError:
            self.figures["slow"] += 1
            return
        except duckdb.Error as error:
            words = str(error).partition("\n")[0]
            is_maintained = is_maintained or (self.folder / "maintained").exists()
            if is_maintained and any(gone in words for gone in GONE):
                self.figures["retries"] += 1
                time.sleep(RETRIED_AFTER_SECONDS)
            else:
                self._violated(f"{type(error).__name__}: {words}")
            self._close()
            return
        self.figures["reads"] += 1
        for problem in [*problems(answers), *self._of_time(answers, acknowledged)]:
            self._violated(problem, answers)
        self._check_records(answers, is_maintained=is_maintained)
        if self.settings["kind"] != "frozen" and self.random.random() < 1 / REOPENED_AFTER:
            self._close()

    def _ask(self) -> Answers | None:
        """The answers of one transaction; None where it outlived the grace period of a clean-up."""
        began = time.monotonic()
        connection = self.connection or self._open()
        connection.execute("begin")
        try:
            answers = {"visible": fetch(connection, VISIBLE)}
            names = list(QUERIES)
            self.random.shuffle(names)
            for name in names:
                answers[name] = sorted(fetch(connection, QUERIES[name]), key=repr)
            answers["visible again"] = fetch(connection, VISIBLE)
        except duckdb.Error:
            self._raise_if_slow(began)
            raise
        connection.execute("commit")
        self._raise_if_slow(began)
        return answers

    def _raise_if_slow(self, began: float) -> None:
        is_slow = time.monotonic() - began > self.settings["grace_seconds"]
        if is_slow and (self.folder / "maintained").exists():
            self._close()
            raise TooSlowError

    def _open(self) -> duckdb.DuckDBPyConnection:
        self.connection = duckdb.connect(self.settings["warehouse"], read_only=True)
        for statement in self.settings["setup"]:
            self.connection.execute(statement)
        if self.settings["kind"] != "frozen":
            self.first = {}
        return self.connection

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _acknowledged(self) -> dict[str, int]:
        """By date, the newest effect of a commit that had returned before the transaction began."""
        if self.settings["kind"] != "live" or not (self.folder / "acknowledged").exists():
            return {}
        newest: dict[str, int] = {}
        for line in (self.folder / "acknowledged").read_text().splitlines():
            day, effective = line.split()
            newest[day] = max(int(effective), newest.get(day, 0))
        return newest

    def _of_time(self, answers: Answers, acknowledged: dict[str, int]) -> Iterable[str]:
        """What is wrong between this transaction and those before."""
        shown = {day: effective for day, _, effective in answers["visible"]}
        self.changes += shown != self.seen
        for day, effective in self.seen.items():
            if day not in shown:
                yield f"{day} has disappeared"
            elif shown[day] < effective:
                yield f"{day} went back from {effective} to {shown[day]}"
        for day, effective in acknowledged.items():
            if shown.get(day, 0) < effective:
                yield f"{day}: the commit of {effective} had returned, {shown.get(day)} shows"
        self.seen |= shown
        if self.settings["kind"] != "live":
            if self.first and answers != self.first:
                yield "a pinned warehouse has changed"
            self.first = answers

    def _check_records(self, answers: Answers, *, is_maintained: bool) -> None:
        """That the rows are as many as the commit record says, where it is there still."""
        assert self.connection is not None
        counts = totals(answers)
        for day, run, effective in answers["visible"]:
            if (day, run, effective) in self.checked_records:
                continue
            pattern = f"{self.settings['lake']}/_commits/**/{day}_{effective}_{run}*.json"
            try:
                found = fetch(self.connection, "select content from read_text(?)", [pattern])
            except duckdb.Error as error:
                if not any(gone in str(error) for gone in GONE):
                    raise
                found = []
            if not found:
                if not is_maintained and not (self.folder / "maintained").exists():
                    self._violated(f"{day}: no record of {run} at {effective}")
                continue
            record = json.loads(found[0][0])
            said = {table: entry["row_count"] for table, entry in record["tables"].items()}
            has = {table: counts.get((day, run, table), 0) for table in said}
            if record["run_id"] != run or said != has:
                self._violated(
                    f"{day}: the record of {record['run_id']} says {said}, {run} has {has}"
                )
            self.checked_records.add((day, run, effective))
            self.figures["records"] += 1

    def _figures(self) -> dict[str, int]:
        return {**self.figures, "changes": self.changes}

    def _violated(self, words: str, answers: Answers | None = None) -> None:
        self.figures["violations"] += 1
        self._tell(violation=words, answers=answers if self.figures["violations"] < 4 else None)

    def _tell(self, **what: Any) -> None:
        common = {"kind": self.settings["kind"], "duckdb": duckdb.__version__, "at": time.time()}
        self.report.write(json.dumps({**common, **what}) + "\n")


def fetch(
    connection: duckdb.DuckDBPyConnection, query: str, given: list[str] | None = None
) -> list[Row]:
    return connection.execute(query, given or []).fetchall()


if __name__ == "__main__":
    Reader(json.loads(Path(sys.argv[1]).read_text())).run()
