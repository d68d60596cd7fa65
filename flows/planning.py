"""The step `plan`: who is to be asked what, and what must not be asked."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from extract.request import Request
from extract.sessions import Sessions
from extract.targets import Scope, Target, account_of_role, resolve_targets
from flows.batches import BatchRead
from flows.coverage import loses_builds
from flows.parameters import LakeParameters, ParameterError, SnapshotParameters
from flows.publishing import kind_of
from lake.captures import last_whole_captures
from lake.carry import earlier_run
from lake.location import open_lake
from lake.records import FIRST_DATE, newest_content
from lake.run import Run
from lake.storage import Lake, LakeSettings, StorageError
from lake.warehouse import make_place, require_replaceable
from schemas.api import SELF

READ_TIMEOUT_SECONDS: Final = 60.0
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk, or a user's part of it, that is full."""


@dataclass(frozen=True)
class Plan:
    """What a run will do: its identity, the targets, and what is asked of each.

    `batches`: what workers have read and written of the targets already, where there are any.
    """

    run: Run
    targets: tuple[Target, ...]
    request: Request
    batches: tuple[BatchRead, ...] = ()


def plan(parameters: SnapshotParameters) -> Plan:
    """Who is to be asked what: resolves accounts and regions, and refuses what would lose data."""
    now = datetime.now(UTC)
    if parameters.date and parameters.date > now.date() + timedelta(days=1):
        raise ParameterError(
            f"--date '{parameters.date}': it is still to come, and what is current would be of it "
            "until then; give at most tomorrow's (UTC)"
        )
    if parameters.date and parameters.date < FIRST_DATE:
        raise ParameterError(
            f"--date '{parameters.date}': there was no Image Builder then; give a date from "
            f"{FIRST_DATE} on"
        )
    run = Run.begin(now, parameters.date)
    lake = lake_of(parameters)
    _refuse_mixing(lake, parameters)
    require_replaceable(parameters.warehouse, lake, kind_of(parameters))
    request = parameters.request()
    targets = resolve_targets(sessions_of(parameters), scope_of(parameters))
    if request.starting_token and len(targets) > 1:
        raise ParameterError(
            f"--starting-token: a token belongs to one target, and there are {len(targets)}: give "
            "its --region (and --role-arn)"
        )
    _refuse_narrowing(lake, run, targets, request)
    if not parameters.accept_drop:
        _refuse_fewer_owners(lake, run, targets, request)
    lake.make()
    make_place(parameters.warehouse)
    return Plan(run, tuple(targets), request)


def lake_of(parameters: LakeParameters) -> Lake:
    """The lake, with its settings."""
    return open_lake(
        parameters.lake,
        LakeSettings(
            visibility_seconds=parameters.visibility_seconds,
            spool=parameters.spool,
            s3_sse=parameters.s3_sse,
            s3_kms_key=parameters.s3_kms_key,
            s3_bucket_owner=parameters.s3_bucket_owner,
        ),
    )


def existing_lake(parameters: LakeParameters) -> Lake:
    """The lake, with its settings. Raises StorageError where there is none."""
    lake = lake_of(parameters)
    if not lake.exists():
        raise StorageError(f"--lake {parameters.lake!r}: there is none; `imagelake run` makes one")
    return lake


@contextmanager
def naming_a_full_disk(lake: Lake) -> Iterator[None]:
    """Adds to the error of a full disk whose it is and what to do: it often names no file."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            place = lake.working("")
            error.add_note(
                f"--lake {lake.uri!r}: no space is left in {place}; make room, run again"
            )
        raise


def landing_of(parameters: SnapshotParameters, plan: Plan) -> Path:
    """Where, on this machine's disk, the run's raw pages land."""
    return lake_of(parameters).working(plan.run.raw_folder)


def sessions_of(parameters: SnapshotParameters) -> Sessions:
    """The sessions to ask with; no call waits longer than its target or the run may."""
    ids = {account.role_arn: account.external_id for account in parameters.accounts}
    return Sessions(
        _revealed(parameters.external_id),
        {role_arn: secret.get_secret_value() for role_arn, secret in ids.items() if secret},
        read_timeout=min(
            READ_TIMEOUT_SECONDS,
            parameters.target_seconds,
            parameters.run_seconds or READ_TIMEOUT_SECONDS,
        ),
    )


def scope_of(parameters: SnapshotParameters) -> Scope:
    """Which accounts and regions are asked for. Raises TargetError where a role is none."""
    with_settings = [account_of_role(a.role_arn, a.region) for a in parameters.accounts]
    return Scope(
        regions=parameters.region,
        exclude_regions=parameters.exclude_region,
        accounts=[*map(account_of_role, parameters.role_arn), *with_settings],
        organization_role=parameters.organization_role,
        include_accounts=parameters.include_account,
        exclude_accounts=parameters.exclude_account,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _refuse_mixing(lake: Lake, parameters: SnapshotParameters) -> None:
    """Emulated builds never get among real ones, nor real ones among them."""
    newest = newest_content(lake)
    if newest is None or newest["is_demo"] == parameters.demo:
        return
    held, given = ("emulated", "real") if newest["is_demo"] else ("real", "emulated")
    raise ParameterError(
        f"--lake {parameters.lake!r}: it holds {held} snapshots; give {given} ones another --lake "
        "(and --warehouse)"
    )


def _refuse_narrowing(lake: Lake, run: Run, targets: list[Target], request: Request) -> None:
    """A snapshot that asks for less would replace its date's, and lose what it leaves out."""
    earlier = earlier_run(lake, run.snapshot_date)
    for target in targets:
        row = earlier and earlier.targets.get((target.account_id, target.region))
        if row and loses_builds(request, row):
            raise ParameterError(
                f"--filter, --image-version-arn, --owner: the lake has a snapshot of {target} for "
                f"{run.snapshot_date} that asked for more ({row['request']}), and this one would "
                "replace it; give it another --lake or --date"
            )


def _refuse_fewer_owners(lake: Lake, run: Run, targets: list[Target], request: Request) -> None:
    """The builds of an owner that is not asked for any more would seem to have disappeared."""
    if request.is_narrowed or request.starting_token:  # what is compared is whole captures alone
        return
    keys = [(target.account_id, target.region) for target in targets]
    for row in last_whole_captures(lake, run.snapshot_date, keys):
        asked = json.loads(row["request"]).get("owners", (SELF,))
        if missing := sorted(set(asked) - set(request.owners)):
            raise ParameterError(
                f"--owner: the snapshot of {row['snapshot_date']} has {row['account_id']}/"
                f"{row['region']} of {' and '.join(missing)} too, whose builds would seem to have "
                f"disappeared: give {' '.join(f'--owner {owner}' for owner in missing)} as well, or "
                "--accept-drop to be without them from now on"
            )
