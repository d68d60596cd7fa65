"""How long each step of a run took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

Steps = TypeVar("Steps")


class Stage(NamedTuple):
    """A step of a run, from its beginning to its end; it may have ended in an error."""

    name: str
    started_at: datetime
    ended_at: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds()


@dataclass
class Timing:
    """The stages of a run so far, in the order of their ends."""

    stages: list[Stage] = field(default_factory=list)

    def of(self, steps: Steps) -> Steps:
        """The same steps, a dataclass of functions, which say here when they began and ended."""
        timed = {
            step.name: self._timed(step.name, getattr(steps, step.name))
            for step in fields(steps)  # type: ignore[arg-type]  # a type variable cannot say that it is a dataclass
        }
        return replace(steps, **timed)  # type: ignore[type-var]  # likewise

    def _timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            started_at = datetime.now(UTC)
            try:
                return step(*given)
            finally:
                self.stages.append(Stage(name, started_at, datetime.now(UTC)))

        return run
