"""What the views of history must show of runs, found in plain Python.

A run is given as its rows. Only whole captures of a target are compared, each with the one before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import md5
from typing import Any, Final

from tests.rows import Row, Target
from tests.test_writer import Rows

Build = tuple[Target, str]
"""A target's build: its ARN."""
Step = tuple[date, str]
"""On which date a build appeared, changed or disappeared."""
Capture = Mapping[str, Row]
"""By ARN, the builds that a target's capture lists."""

IDENTITY: Final = ("snapshot_date", "run_id", "account_id", "region", "captured_at", "arn")
"""The columns of image_builds that cannot change: which build it is, and when it was read."""


@dataclass(frozen=True)
class Told:
    """What the runs that show tell, by date; and their ids."""

    runs: Mapping[date, Rows]
    run_ids: Mapping[date, str]

    @cached_property
    def covers(self) -> dict[Target, dict[date, Row]]:
        """By target and date its complete captures, as rows of snapshot_targets."""
        found: dict[Target, dict[date, Row]] = {}
        for day, run in sorted(self.runs.items()):
            for row in run["snapshot_targets"]:
                if row["coverage"] in ("whole", "filtered"):
                    found.setdefault((row["account_id"], row["region"]), {})[day] = row
        return found

    @cached_property
    def whole(self) -> dict[Target, dict[date, Capture]]:
        """By target and date its whole captures; a build without an ARN cannot be followed."""
        found: dict[Target, dict[date, Capture]] = {
            target: {
                day: {b["arn"]: b for b in self.listed("image_builds", target, day) if b["arn"]}
                for day, cover in covers.items()
                if cover["coverage"] == "whole"
            }
            for target, covers in self.covers.items()
        }
        return {target: captures for target, captures in found.items() if captures}

    def listed(self, table: str, target: Target, day: date) -> list[Row]:
        """A target's rows of a date's run, with the run."""
        path = {"snapshot_date": day, "run_id": self.run_ids[day]}
        return [
            {**row, **path}
            for row in self.runs[day].get(table, ())
            if (row["account_id"], row["region"]) == target
        ]

    def before(self, target: Target, day: date) -> date | None:
        """The date of the target's whole capture before that of the date."""
        return max((earlier for earlier in self.whole[target] if earlier < day), default=None)

    @cached_property
    def steps(self) -> dict[Build, list[Step]]:
        """What became of each build."""
        found: dict[Build, list[Step]] = {}
        for target, captures in self.whole.items():
            for day, now in captures.items():
                before = self.before(target, day)
                then = captures[before] if before else {}
                for arn in sorted(now.keys() | then.keys()):
                    if (change := change_of(then.get(arn), now.get(arn))) is not None:
                        found.setdefault((target, arn), []).append((day, change))
        return found

    def captures(self) -> Iterator[dict[str, Any]]:
        """The rows of target_captures."""
        for target, covers in self.covers.items():
            for day, cover in covers.items():
                is_whole = cover["coverage"] == "whole"
                yield {
                    **dict(zip(("account_id", "region"), target, strict=True)),
                    "snapshot_date": day,
                    "run_id": self.run_ids[day],
                    **{name: cover[name] for name in ("captured_at", "coverage", "builds")},
                    **(self._previous(target, day) if is_whole else {}),
                }

    def changes(self) -> Iterator[dict[str, Any]]:
        """The rows of build_changes."""
        for (target, arn), steps in self.steps.items():
            for day, change in steps:
                previous = self.before(target, day)
                then = self.whole[target][previous].get(arn, {}) if previous else {}
                yield {
                    **(then if change == "disappeared" else self.whole[target][day][arn]),
                    "snapshot_date": day,
                    "run_id": self.run_ids[day],
                    "previous_date": previous,
                    "change": change,
                    "previous_status": then.get("state_status"),
                    "build_key": key_of_parts(*target, arn),
                }

    def differences(self) -> Iterator[dict[str, Any]]:
        """The rows of capture_differences."""
        for row in self.changes():
            if row["previous_date"]:
                target = row["account_id"], row["region"]
                yield {**row, **self._previous(target, row["snapshot_date"])}

    def spans(self) -> Iterator[dict[str, Any]]:
        """The rows of build_history."""
        for (target, arn), steps in self.steps.items():
            ends: list[tuple[date | None, str | None]] = [*steps[1:], (None, None)]
            for (day, change), (end, ended_by) in zip(steps, ends, strict=True):
                if change != "disappeared":
                    yield {
                        **without_path(self.whole[target][day][arn]),
                        "valid_from": day,
                        "valid_to": end,
                        "ended_by": ended_by,
                        "build_key": key_of_parts(*target, arn),
                    }

    def disappeared(self) -> Iterator[dict[str, Any]]:
        """The rows of disappeared_builds."""
        for (target, arn), steps in self.steps.items():
            day, change = steps[-1]
            if change == "disappeared":
                seen = self.before(target, day)
                assert seen is not None
                yield {
                    **without_path(self.whole[target][seen][arn]),
                    "last_seen_date": seen,
                    "last_seen_run_id": self.run_ids[seen],
                    "disappeared_date": day,
                }

    def state_changes(self) -> Iterator[dict[str, Any]]:
        """The rows of build_state_changes."""
        gone: set[int] = set()
        for row in sorted(self.changes(), key=lambda row: row["snapshot_date"]):
            change, state = row["change"], row["state_status"]
            if change == "changed" and state == row["previous_status"]:
                continue
            if change == "disappeared":
                gone.add(row["build_key"])
                state = None
            elif change == "appeared":
                change = "reappeared" if row["build_key"] in gone else "first_seen"
            kept = (
                *("snapshot_date", "run_id", "account_id", "region", "captured_at", "arn", "name"),
                *("image_owner_account", "image_slug", "semantic_version", "build_number"),
            )
            yield {
                **{name: row[name] for name in kept},
                "change": change,
                "from_status": row["previous_status"],
                "to_status": state,
                "state_reason": row.get("state_reason"),
                "from_date": row["previous_date"],
            }

    def as_of(self, table: str, day: date) -> list[Row]:
        """The rows of a table that stood on a date: of each target's newest complete capture."""
        found: list[Row] = []
        for target, covers in self.covers.items():
            dates = [on for on in covers if on <= day]
            if dates:
                newest = max(dates, key=lambda on: (covers[on]["coverage"] == "whole", on))
                found += self.listed(table, target, newest)
        return found

    def diff(self, first: date, last: date) -> Iterator[dict[str, Any]]:
        """The rows of snapshot_diff."""
        for captures in self.whole.values():
            start = max((on for on in captures if on <= first), default=None)
            end = max((on for on in captures if on <= last), default=None)
            if start is None or end is None:
                continue
            for arn in sorted(captures[start].keys() | captures[end].keys()):
                then, now = captures[start].get(arn), captures[end].get(arn)
                shown = now or then or {}
                kept = ("account_id", "region", "arn", "name", "image_slug", "semantic_version")
                for cell in cells_of(then, now):
                    yield {
                        **{name: shown[name] for name in (*kept, "build_number", "state_status")},
                        "from_date": start,
                        "to_date": end,
                        **cell,
                    }

    def _previous(self, target: Target, day: date) -> dict[str, Any]:
        previous = self.before(target, day)
        if previous is None:
            return {}
        run_ids = self.run_ids[day], self.run_ids[previous]
        return {
            "previous_date": previous,
            "previous_run_id": run_ids[1],
            "capture_key": key_of_parts(*target, day.isoformat(), *run_ids),
        }


def change_of(then: Row | None, now: Row | None) -> str | None:
    """What became of a build between two captures; None where nothing did."""
    if then is None:
        return "appeared"
    if now is None:
        return "disappeared"
    return "changed" if any(True for _ in cells_of(then, now)) else None


def cells_of(then: Row | None, now: Row | None) -> Iterator[dict[str, str | None]]:
    """What differs of a build, column by column, as text."""
    if then is None or now is None:
        yield {"change": "removed" if now is None else "added"}
        return
    for name in sorted((then.keys() | now.keys()) - set(IDENTITY)):
        values = as_text(then.get(name)), as_text(now.get(name))
        if values[0] != values[1]:
            yield {
                "change": "changed",
                "column_name": name,
                "from_value": values[0],
                "to_value": values[1],
            }


def as_text(value: Any) -> str | None:
    """A cell as snapshot_diff shows it."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00"
    if isinstance(value, list | dict):
        tags = dict(sorted(dict(value).items()))
        return json.dumps(tags, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def key_of_parts(*parts: str) -> int:
    """The number that stands for them."""
    digest = md5("|".join(parts).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")


def without_path(row: Row) -> dict[str, Any]:
    """The row without the columns of the path."""
    return {name: row[name] for name in row if name not in ("snapshot_date", "run_id")}
