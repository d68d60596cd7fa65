"""What a committed run has to tell others: Prefect events, for automations to act on.

Resources are named alike in each run: `imagelake.target.ACCOUNT.REGION`,
`imagelake.image.ACCOUNT.REGION.OWNER.NAME`, `imagelake.lake.URI`. Values that a trigger may ask for
are labels of the resource; all of them are in the payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from flows.markdown import one_line
from flows.metrics import metrics_of
from flows.pipeline import Summary
from lake.effects import Effects, Found, GoldenChange, NewFailure
from lake.staleness import StaleTarget

COMMITTED: Final = "imagelake.snapshot.committed"
STALE: Final = "imagelake.target.stale"
BUILD_FAILED: Final = "imagelake.build.failed"
GOLDEN_CHANGED: Final = "imagelake.golden_ami.changed"
OMITTED: Final = "imagelake.events.omitted"
"""Of a kind of which there were more than are told one by one."""


@dataclass(frozen=True)
class Alert:
    """One event: its name, the resource that it is about, others that it concerns, what it says."""

    event: str
    resource: dict[str, str]
    payload: dict[str, Any]
    related: list[dict[str, str]] = field(default_factory=list)


def alerts_of(summary: Summary, effects: Effects | None, lake: str) -> Iterator[Alert]:
    """The run's events, of each kind as many as `effects` names; the commit's own is the last."""
    told = {"imagelake.lake": lake, "imagelake.snapshot-date": summary.snapshot_date}
    if effects is not None:
        asked = {(t.outcome.account_id, t.outcome.region) for t in summary.asked}
        for stale in effects.newly_stale.rows:
            yield _stale(stale, told, is_asked=stale.key in asked)
        for failure in effects.failures.rows:
            yield _failure(failure, told)
        for change in effects.golden.rows:
            yield _golden(change, told)
        yield from _omitted(effects, lake, told)
    yield _committed(summary, effects, lake, told)


def _stale(stale: StaleTarget, told: Mapping[str, str], *, is_asked: bool) -> Alert:
    labels = {
        **_of_target(stale.account_id, stale.region),
        "imagelake.is-asked": str(is_asked).lower(),
        "imagelake.error-code": stale.last_error_code,
    }
    resource = _resource(_target(stale.account_id, stale.region), {**told, **labels})
    return Alert(STALE, resource, _payload(stale._asdict()))


def _failure(failure: NewFailure, told: Mapping[str, str]) -> Alert:
    labels = {
        **_of_target(failure.account_id, failure.region),
        "prefect.resource.name": failure.name,
        "imagelake.build-arn": failure.arn,
        "imagelake.step": failure.step,
        "imagelake.reason": failure.reason,
    }
    image = _image(failure.account_id, failure.region, failure.image_owner_account, failure)
    resource = _resource(image, {**told, **labels})
    return Alert(BUILD_FAILED, resource, _payload(failure._asdict()), _in_target(failure))


def _golden(change: GoldenChange, told: Mapping[str, str]) -> Alert:
    labels = {
        **_of_target(change.account_id, change.region),
        "prefect.resource.name": change.name,
        "imagelake.ami-region": change.ami_region,
        "imagelake.ami-account": change.ami_account_id,
        "imagelake.old-ami-id": change.old_ami_id,
        "imagelake.new-ami-id": change.new_ami_id,
        "imagelake.old-version": change.old_version,
        "imagelake.new-version": change.new_version,
    }
    image = _image(change.account_id, change.region, change.image_owner_account, change)
    resource = _resource(image, {**told, **labels})
    return Alert(GOLDEN_CHANGED, resource, _payload(change._asdict()), _in_target(change))


def _omitted(effects: Effects, lake: str, told: Mapping[str, str]) -> Iterator[Alert]:
    kinds: dict[str, Found[Any]] = {
        STALE: effects.newly_stale,
        BUILD_FAILED: effects.failures,
        GOLDEN_CHANGED: effects.golden,
    }
    left = {name: found.total - len(found.rows) for name, found in kinds.items()}
    omitted = {name: count for name, count in left.items() if count}
    if omitted:
        yield Alert(OMITTED, _resource(f"imagelake.lake.{lake}", told), {"omitted": omitted})


def _committed(
    summary: Summary, effects: Effects | None, lake: str, told: Mapping[str, str]
) -> Alert:
    metrics = metrics_of(summary)
    labels = {"imagelake.run-id": summary.run_id, "imagelake.status": summary.status}
    payload: dict[str, Any] = {
        "run_id": summary.run_id,
        "snapshot_date": summary.snapshot_date,
        "status": summary.status,
        "targets": metrics.targets,
        "rows": metrics.rows,
        "seconds": round(metrics.seconds, 3),
    }
    if effects is not None:
        payload |= {
            "changed_builds": effects.changed,
            "failed_builds": effects.failures.total,
            "changed_golden_amis": effects.golden.total,
            "stale_targets": effects.stale.total,
        }
    return Alert(COMMITTED, _resource(f"imagelake.lake.{lake}", {**told, **labels}), payload)


def _target(account_id: str, region: str) -> str:
    return one_line(f"imagelake.target.{account_id}.{region}")


def _of_target(account_id: str, region: str) -> dict[str, str | None]:
    return {"imagelake.account-id": account_id, "imagelake.region": region}


def _in_target(row: NewFailure | GoldenChange) -> list[dict[str, str]]:
    target = _target(row.account_id, row.region)
    return [{"prefect.resource.id": target, "prefect.resource.role": "imagelake-target"}]


def _image(account_id: str, region: str, owner: str | None, row: NewFailure | GoldenChange) -> str:
    """The image's name by its ARN; a build whose ARN tells none stands for itself."""
    name = row.image_slug or getattr(row, "arn", "")
    return one_line(f"imagelake.image.{account_id}.{region}.{owner or account_id}.{name}")


def _resource(resource_id: str, labels: Mapping[str, str | None]) -> dict[str, str]:
    """Labels are text, and one that is not known is not there."""
    known = {name: one_line(value) for name, value in labels.items() if value is not None}
    return {"prefect.resource.id": resource_id, **known}


def _payload(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
