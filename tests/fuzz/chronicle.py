"""Plans carried out through the whole pipeline, and every view of history held against plain Python."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from extract.emulator import Emulator
from extract.errors import TargetError
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.rebuild import rebuild
from lake.commit import rollback
from lake.folder import Folder
from lake.location import open_folder
from lake.maintain import maintain
from lake.retention import Keep
from lake.warehouse import connect, publish, publish_pinned
from tests.fuzz.campaign import local_endpoint, say
from tests.fuzz.compare import problems_of
from tests.fuzz.ledger import Ledger, is_refused
from tests.fuzz.plans import DAYS, Step, draw_plan, name_of, target_of
from tests.fuzz.reduce import reduced
from tests.history_rows import HISTORY, alike, asked, in_order
from tests.reassemble import DATA, Build, differences, read_builds, table_rows
from tests.rows import Row, dicts
from tests.told_history import Told

CHECKED_EVERY: Final = 6
"""The views are asked after so many steps, and at the end."""
REDUCING_TRIES: Final = 60
CURRENT: Final = {table.replace("image_", "current_"): table for table in DATA}


class Chronicle:
    """One history: the lake, and the ledger of what it must show."""

    def __init__(self, emulator: Emulator, lake: Path) -> None:
        self._emulator = emulator
        self._lake = lake
        self._warehouse = lake.with_suffix(".duckdb")
        self.ledger = Ledger()

    @property
    def folder(self) -> Folder:
        return open_folder(str(self._lake))

    def follow(self, plan: Sequence[Step]) -> Iterator[str]:
        """Takes the steps; what is not as it must be."""
        for number, step in enumerate(plan, 1):
            self._take(step)
            if self.ledger.commits and (number % CHECKED_EVERY == 0 or number == len(plan)):
                yield from (f"after step {number}: {wrong}" for wrong in self.wrong())

    def wrong(self) -> Iterator[str]:
        """What the lake does not hold, and what the live and the pinned views do not tell."""
        yield from self.wrong_in_files()
        told = self.told()
        publish(self.folder, self._warehouse)
        pinned = self._warehouse.with_name("pinned.duckdb")
        publish_pinned(self.folder, pinned)
        for path in (self._warehouse, pinned):
            with connect(path) as connection:
                connection.execute("set timezone = 'UTC'")
                for words, is_right in self.answers(connection, told):
                    if not is_right():
                        yield f"{path.stem}: {words}"

    def told(self) -> Told:
        """The runs that show, read off the Parquet files, for what finds history in plain Python."""
        shown = self.ledger.shown()
        runs = {
            date.fromisoformat(day): {
                table: table_rows(self._lake, table, day) for table in (*DATA, "snapshot_targets")
            }
            for day in shown
        }
        return Told(runs, {date.fromisoformat(day): run_id for day, (run_id, _) in shown.items()})

    def _take(self, step: Step) -> None:
        match step["do"]:
            case "run":
                self._run(step)
            case "maintain":
                maintain(self.folder, Keep(), datetime.now(UTC))
            case "tidy" if self.ledger.commits:
                later = datetime.now(UTC) + timedelta(seconds=1)
                maintain(self.folder, Keep(grace=timedelta(0)), later)
                self.ledger.tidied()
            case "retire" if self.ledger.commits:
                now = datetime.now(UTC)
                days = (now.date() - date.fromisoformat(step["day"])).days
                maintain(self.folder, Keep(keep_days=days), now)
                self.ledger.retired(step["day"])
            case "rollback" if run_id := self.ledger.run_of(step):
                rollback(self.folder, date.fromisoformat(step["day"]), run_id)
                self.ledger.shows_again(step["day"], run_id)
            case "rebuild" if step["day"] in self.ledger.commits:
                made = rebuild(self.folder, date.fromisoformat(step["day"]))
                self.ledger.rebuilt(step["day"], made.commit.run_id)

    def _run(self, step: Step) -> None:
        asked_regions: dict[str, list[str]] = {}
        self._emulator.clear_answers()
        self._emulator.clear_faults()
        for name, answer in step["answers"].items():
            account_id, region = target_of(name)
            if answer["how"] != "unasked":
                asked_regions.setdefault(account_id, []).append(region)
            pages = answer.get("pages", [[]])
            bodies = [json.dumps({"imageSummaryList": builds}) for builds in pages]
            self._emulator.set_answers(account_id, region, bodies)
            self._emulator.set_faults(name, _faults(answer))
        if not asked_regions:
            return
        parameters = SnapshotParameters.model_validate(
            {
                "lake": str(self._lake),
                "warehouse": self._warehouse,
                "date": step["day"],
                "accept_drop": True,
                "accounts": [
                    {"role_arn": f"arn:aws:iam::{account_id}:role/imagelake", "region": regions}
                    for account_id, regions in asked_regions.items()
                ],
            }
        )
        try:
            run_id = take_snapshot(parameters).run_id
        except TargetError as error:
            if not (is_refused(step) and str(error).startswith("nothing could be read")):
                raise
        else:
            if is_refused(step):
                raise AssertionError(f"{step['day']}: nothing was read, and run {run_id} shows")
            self.ledger.ran(step, run_id)

    def wrong_in_files(self) -> Iterator[str]:
        """That each date's newest commit is of the run, and holds what the targets had sent."""
        for day, (run_id, shown) in self.ledger.shown().items():
            rows = {
                (row["account_id"], row["region"]): row
                for row in table_rows(self._lake, "snapshot_targets", day)
            }
            found = {name_of(target): _covered(row) for target, row in rows.items()}
            expected = {
                name_of(target): (s.status, s.error_code, s.coverage, len(s.builds), s.carried_from)
                for target, s in shown.items()
            }
            yield from (f"{day} targets {d}" for d in differences(expected, found))
            read = read_builds(self._lake, day)
            sent = {name_of(target): _by_arn(s.builds) for target, s in shown.items()}
            got = {name_of(target): _by_arn(builds) for target, builds in read.items()}
            yield from (f"{day} builds {d}" for d in differences(sent, got))
            if not any((self._lake / "_commits").rglob(f"{day}_*_{run_id}*.json")):
                yield f"{day}: no commit of run {run_id}"

    def answers(
        self, connection: duckdb.DuckDBPyConnection, told: Told
    ) -> Iterator[tuple[str, Callable[[], bool]]]:
        """What is asked, and whether the answer is right."""

        def rows(relation: str, expected: Sequence[Row]) -> Callable[[], bool]:
            query = f"select * from {relation}"  # noqa: S608 - our own words
            return lambda: alike(dicts(connection, query)) == alike(expected)

        def history(relation: str, expected: Sequence[Row]) -> Callable[[], bool]:
            return lambda: asked(connection, relation) == in_order(expected)

        for table in DATA:
            everything = [row for day in told.runs for row in _of_run(told, table, day)]
            yield table, rows(table, everything)
        for view, find in HISTORY.items():
            yield view, history(view, list(find(told)))
        last = max(told.runs)
        for view, table in CURRENT.items():
            yield view, rows(view, told.as_of(table, last))
        yield "current_tags", rows("current_tags", list(_tags(told.as_of("image_builds", last))))
        captures = [covers[max(covers)] for covers in told.covers.values()]
        yield "current_targets", rows("current_targets", [_with_run(told, row) for row in captures])
        moments = [date.fromisoformat(day) + timedelta(days=n) for day in DAYS[::2] for n in (0, 1)]
        for day in moments:
            for table, macro in (("image_builds", "builds_as_of"), ("image_amis", "amis_as_of")):
                yield f"{macro} {day}", rows(f"{macro}('{day}')", told.as_of(table, day))
            for other in moments[::2]:
                call = f"snapshot_diff('{day}', '{other}')"
                yield call, history(call, list(told.diff(day, other)))


def compare_history(emulator: Emulator, lake: Path, plan: Sequence[Step]) -> list[str]:
    """What is not as it must be in the history of a plan."""
    return problems_of(lambda: list(Chronicle(emulator, lake).follow(plan)))


def compare_histories(most: int, seed: int) -> bool:
    """True where so many histories were as they must be; says how it goes."""
    say(f"histories: {most}, seed {seed}")
    began_at, steps = time.monotonic(), 0
    with TemporaryDirectory() as folder, local_endpoint() as emulator:
        for number in range(most):
            plan = draw_plan(Random(seed + number))  # noqa: S311 - the same for a seed, no secret
            steps += len(plan)
            found = compare_history(emulator, Path(folder) / str(number) / "lake", plan)
            minutes = (time.monotonic() - began_at) / 60
            say(f"  {minutes:4.1f} min: {number + 1} histories of {steps} steps")
            if found:
                _tell(emulator, Path(folder), found, plan)
                return False
    say(f"{most} histories compared, 0 differences")
    return True


def _tell(emulator: Emulator, folder: Path, found: Sequence[str], plan: Sequence[Step]) -> None:
    say("\n".join(("", f"{len(found)} differences:", *(line[:1_000] for line in found[:10]))))
    lakes = (folder / f"reduced-{number}" / "lake" for number in count())

    def is_wrong(steps: Sequence[Step]) -> bool:
        return bool(compare_history(emulator, next(lakes), steps))

    say("\nthe least plan that shows one:")
    say(json.dumps(reduced(list(plan), is_wrong, REDUCING_TRIES)))


def _faults(answer: dict[str, Any]) -> dict[str, Any]:
    match answer["how"]:
        case "denied":
            return {"always": "forbidden"}
        case "cut":
            return {"errors": ["ok"] * answer["landed"], "always": "forbidden"}
        case "disabled":
            return {"region_disabled": True}
    return {}


def _covered(row: Row) -> tuple[Any, ...]:
    return tuple(row[n] for n in ("status", "error_code", "coverage", "builds", "carried_from"))


def _by_arn(builds: Sequence[Build]) -> dict[str, Build]:
    return {build.get("arn") or "none": build for build in builds}


def _of_run(told: Told, table: str, day: date) -> list[Row]:
    path = {"snapshot_date": day, "run_id": told.run_ids[day]}
    return [{**row, **path} for row in told.runs[day][table]]


def _with_run(told: Told, cover: Row) -> Row:
    """A row of snapshot_targets with its path, found by the capture that it is."""
    for day, run in told.runs.items():
        if any(row is cover for row in run["snapshot_targets"]):
            return {**cover, "snapshot_date": day, "run_id": told.run_ids[day]}
    raise AssertionError("a cover of no run")


def _tags(builds: Sequence[Row]) -> Iterator[Row]:
    path = ("snapshot_date", "run_id", "account_id", "region", "captured_at")
    for build in builds:
        for key, value in dict(build["tags"] or {}).items():
            shown = {name: build[name] for name in path}
            yield {**shown, "image_arn": build["arn"], "tag_key": key, "tag_value": value}
