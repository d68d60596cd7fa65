"""What a snapshot shows of each target: this run's rows, an earlier run's of its date, or both.

A re-run replaces only what it could read. A target that it failed to read, cut short or was not
asked for keeps the rows that the date had; a listing that goes on at a truncated one's token is
joined to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from extract.request import Request
from extract.targets import ALL_REGIONS, TargetOutcome
from lake.carry import EarlierRun, TargetKey
from schemas.snapshots import COMPLETE, FILTERED, NONE, PART, SKIPPED, TRUNCATED, WHOLE

_OUTCOME_COLUMNS: Final = tuple(
    field.name for field in fields(TargetOutcome) if field.name != "builds_listed"
)
"""What a target's row of `snapshot_targets` has of its listing's outcome, under the same names."""
_NO_HEAD: Final = (
    "the listing began at the given token, which is not where the date's snapshot had stopped: run "
    "without --starting-token"
)


@dataclass
class Shown:
    """A target's row of `snapshot_targets` in the making.

    `carries`: the earlier run's rows are shown; `shows_own_rows`: this run's are. Both, where this
    run went on where the earlier one had stopped. `is_asked`: this run was to read the target.
    `earlier_raw_runs` have the raw pages of the rows carried.
    """

    outcome: TargetOutcome
    request: str | None
    coverage: str
    shows_own_rows: bool
    is_asked: bool = True
    carried_from: str | None = None
    earlier_raw_runs: tuple[str, ...] = ()
    builds: int = 0
    captured_at: datetime | None = None

    @property
    def carries(self) -> bool:
        """True where rows of an earlier run are shown."""
        return self.carried_from is not None

    @property
    def is_read(self) -> bool:
        """True where nothing of the target is missing."""
        return self.outcome.status in (COMPLETE, SKIPPED)

    def raw_runs(self, run_id: str) -> tuple[str, ...]:
        """The runs whose raw pages have the rows shown, this run's (`run_id`) before the others'."""
        return (run_id, *self.earlier_raw_runs) if self.shows_own_rows else self.earlier_raw_runs

    def count(self, builds: int, captured_at: datetime) -> None:
        """Counts rows of the target."""
        self.builds += builds
        self.captured_at = max(self.captured_at or captured_at, captured_at)

    def row(self) -> dict[str, Any]:
        """The target's row of `snapshot_targets`."""
        return {
            **{name: getattr(self.outcome, name) for name in _OUTCOME_COLUMNS},
            "captured_at": self.captured_at or self._empty_capture(),
            "coverage": self.coverage,
            "builds": self.builds,
            "carried_from": self.carried_from,
            "request": self.request,
        }

    def _empty_capture(self) -> datetime | None:
        """A target without builds was captured too: when its empty answer was in."""
        return self.outcome.finished_at if self.coverage in (WHOLE, FILTERED) else None


def shown_targets(
    outcomes: tuple[TargetOutcome, ...], request: Request, earlier: EarlierRun | None
) -> dict[TargetKey, Shown]:
    """Every target of the snapshot: this run's, then the date's others, which are kept."""
    before = earlier.targets if earlier else {}
    shown = {
        (outcome.account_id, outcome.region): _shown(
            outcome, request, before.get((outcome.account_id, outcome.region))
        )
        for outcome in outcomes
    }
    asked_accounts = {account_id for account_id, _ in shown}
    for key, row in before.items():
        account_id, region = key
        is_told_by_now = region == ALL_REGIONS and account_id in asked_accounts
        if key not in shown and not is_told_by_now:
            shown[key] = _kept(row)
    return shown


def _shown(outcome: TargetOutcome, request: Request, before: dict[str, Any] | None) -> Shown:
    coverage = _coverage(outcome, request)
    own = Shown(outcome, request.to_json(), coverage, shows_own_rows=True)
    if before is not None and _goes_on(outcome, request, before):
        joined = _full_coverage(request) if outcome.status == COMPLETE else PART
        return replace(
            own,
            coverage=joined,
            carried_from=before["run_id"],
            earlier_raw_runs=before["raw_runs"],
        )
    if request.starting_token and outcome.status == COMPLETE:
        own.outcome = replace(
            outcome, status=TRUNCATED, error_code="StartingToken", error_message=_NO_HEAD
        )
    if before is None or before["coverage"] == NONE:
        return own
    if coverage in (WHOLE, FILTERED) or _is_longer_part(own, request, before):
        return own
    return replace(
        own,
        coverage=before["coverage"],
        shows_own_rows=False,
        carried_from=before["carried_from"] or before["run_id"],
        earlier_raw_runs=before["raw_runs"],
    )


def _is_longer_part(own: Shown, request: Request, before: dict[str, Any]) -> bool:
    """True where both are cut short, and this run read no less, from the start as well."""
    if request.starting_token:
        return False
    is_part = own.coverage == before["coverage"] == PART
    return is_part and own.outcome.builds_listed >= int(before["builds"])


def _coverage(outcome: TargetOutcome, request: Request) -> str:
    if outcome.status == COMPLETE and request.starting_token is None:
        return _full_coverage(request)
    return PART if outcome.builds_listed else NONE


def _full_coverage(request: Request) -> str:
    return FILTERED if request.is_narrowed else WHOLE


def _goes_on(outcome: TargetOutcome, request: Request, before: dict[str, Any]) -> bool:
    """True where this listing began at the token at which the date's truncated one had stopped."""
    return (
        request.starting_token is not None
        and before["resume_token"] == request.starting_token
        and before["status"] == TRUNCATED
        and before["coverage"] == PART
        and before["error_code"] != "StartingToken"
        and outcome.status in (COMPLETE, TRUNCATED)
        and _question(before["request"]) == _question(request.to_json())
        and ("startingToken" not in before["request"] or before["carried_from"] is not None)
    )


def loses_builds(request: Request, before: dict[str, Any]) -> bool:
    """True where a snapshot with this request would leave out what the earlier row's asked for."""
    if before["coverage"] == NONE:
        return False
    asked, now = _question(before["request"]), _question(request.to_json())
    narrowing = [(question["imageVersionArn"], question["filters"]) for question in (asked, now)]
    is_as_wide = narrowing[1] == (None, None) or narrowing[0] == narrowing[1]
    return not (is_as_wide and set(asked["owners"]) <= set(now["owners"]))


def _question(request: str) -> dict[str, Any]:
    """What a request asks for, whatever the sizes and the place to begin at."""
    members: dict[str, Any] = json.loads(request)
    return {name: members.get(name) for name in ("imageVersionArn", "filters", "owners")}


def _kept(row: dict[str, Any]) -> Shown:
    """A target that this run was not asked for, as the date had it."""
    outcome = TargetOutcome(**{name: row[name] for name in _OUTCOME_COLUMNS})
    return Shown(
        outcome,
        row["request"],
        row["coverage"],
        shows_own_rows=False,
        is_asked=False,
        carried_from=(row["carried_from"] or row["run_id"]) if row["coverage"] != NONE else None,
        earlier_raw_runs=row["raw_runs"],
    )
