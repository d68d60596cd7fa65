"""What a lake must show after the steps of a plan, kept in plain Python from the promises alone.

The newest commit of a date shows, wholly. A target that a re-run reads whole is replaced; one that it
does not read, or reads a shorter part of, keeps what the date had; one that it is not asked for, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tests.fuzz.plans import Step, target_of
from tests.reassemble import Build, Target

WHOLE, PART, NONE = "whole", "part", "none"


@dataclass(frozen=True)
class Standing:
    """What a run shows of a target; `listed` are the items that its own listing saw."""

    status: str
    error_code: str | None
    coverage: str
    builds: tuple[Build, ...] = ()
    listed: int = 0
    carried_from: str | None = None


Entry = tuple[str, dict[Target, Standing]]
"""A commit: its run, and what that shows."""


@dataclass
class Ledger:
    """By date its commits, the oldest first; and the date of the newest of all."""

    commits: dict[str, list[Entry]] = field(default_factory=dict)
    newest_day: str = ""

    def shown(self) -> dict[str, Entry]:
        """By date the run that shows."""
        return {day: entries[-1] for day, entries in sorted(self.commits.items())}

    def run_of(self, step: Step) -> str | None:
        """The run that a step names: of its date the nth, round and round."""
        entries = self.commits.get(step["day"])
        return entries[step["nth"] % len(entries)][0] if entries else None

    def ran(self, step: Step, run_id: str) -> None:
        """A run was committed."""
        before = self.commits.get(step["day"], [("", {})])[-1]
        shown = {
            target: replace(was, listed=0, carried_from=_origin(before[0], was))
            for target, was in before[1].items()
        }
        for target, own in outcomes(step).items():
            shown[target] = _shown(own, before[0], before[1].get(target))
        self._append(step["day"], (run_id, shown))

    def shows_again(self, day: str, run_id: str) -> None:
        """A run of the date was rolled back to; one that shows already is left as it is."""
        if self.commits[day][-1][0] != run_id:
            self._append(day, next(entry for entry in self.commits[day] if entry[0] == run_id))

    def rebuilt(self, day: str, run_id: str) -> None:
        """The date's tables were derived anew: the same, of another run."""
        self._append(day, (run_id, self.commits[day][-1][1]))

    def tidied(self) -> None:
        """The superseded runs are gone."""
        self.commits = {day: entries[-1:] for day, entries in self.commits.items()}

    def retired(self, until: str) -> None:
        """The dates up to this one are gone, but for those that hold a target's newest capture."""
        held = {self.newest_day, *self.newest_captures().values()}
        self.commits = {d: of for d, of in self.commits.items() if d > until or d in held}

    def newest_captures(self) -> dict[Target, str]:
        """By target the date of its newest whole capture."""
        return {
            target: day
            for day, (_, shown) in self.shown().items()
            for target, standing in shown.items()
            if standing.coverage == WHOLE
        }

    def _append(self, day: str, entry: Entry) -> None:
        self.commits.setdefault(day, []).append(entry)
        self.newest_day = day


def outcomes(step: Step) -> dict[Target, Standing]:
    """How each target that a run asks ends by itself."""
    answers = {target_of(name): answer for name, answer in step["answers"].items()}
    reached = {target[0] for target, answer in answers.items() if answer["how"] in ("whole", "cut")}
    return {
        target: _own(answer, is_reached=target[0] in reached)
        for target, answer in answers.items()
        if answer["how"] != "unasked"
    }


def is_refused(step: Step) -> bool:
    """A run that reads nothing at all is no snapshot."""
    return not any(answer["how"] in ("whole", "cut") for answer in step["answers"].values())


def _own(answer: dict[str, Any], *, is_reached: bool) -> Standing:
    match answer["how"]:
        case "whole":
            listed = [build for page in answer["pages"] for build in page]
            return Standing("complete", None, WHOLE, _last_seen(listed), len(listed))
        case "cut":
            listed = [build for page in answer["pages"][: answer["landed"]] for build in page]
            coverage = PART if listed else NONE
            return Standing(
                "failed", "ForbiddenException", coverage, _last_seen(listed), len(listed)
            )
        case "disabled":  # a refused key means so only where another region took it
            return Standing(
                "skipped" if is_reached else "failed", "UnrecognizedClientException", NONE
            )
    return Standing("failed", "ForbiddenException", NONE)


def _last_seen(listed: list[Build]) -> tuple[Build, ...]:
    by_arn = {build.get("arn", number): build for number, build in enumerate(listed)}
    return tuple(by_arn.values())


def _shown(own: Standing, before_run: str, before: Standing | None) -> Standing:
    if before is None or before.coverage == NONE or own.coverage == WHOLE:
        return own
    if own.coverage == before.coverage == PART and own.listed >= len(before.builds):
        return own
    return replace(
        own,
        coverage=before.coverage,
        builds=before.builds,
        carried_from=_origin(before_run, before),
    )


def _origin(run_id: str, standing: Standing) -> str | None:
    """Whose rows they are; nobody's where there are none."""
    return None if standing.coverage == NONE else standing.carried_from or run_id
