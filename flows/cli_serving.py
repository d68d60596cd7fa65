"""The command that runs both flows on a schedule from one process, without a work pool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flows.deploying import CRON, MAINTAIN_CRON, RETRIES, TIMEZONE, cron, deployed, time_zone
from flows.loading import Model
from flows.options import ConfigFile, load
from flows.parameters import ENVIRONMENT_PREFIX, LakeParameters, ParameterError, SnapshotParameters
from flows.upkeep_parameters import MaintainParameters

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment


def serve(
    config: ConfigFile = None,
    snapshot_cron: Annotated[
        str,
        typer.Option("--cron", envvar="IMAGELAKE_CRON", help="When to take a snapshot."),
    ] = CRON,
    maintain_cron: Annotated[
        str,
        typer.Option(envvar="IMAGELAKE_MAINTAIN_CRON", help="When to clean up the lake."),
    ] = MAINTAIN_CRON,
    timezone: Annotated[
        str, typer.Option(envvar="IMAGELAKE_TIMEZONE", help="Whose clock both follow.")
    ] = TIMEZONE,
    **options: Any,
) -> None:
    """Take snapshots and clean up on a schedule, until Ctrl-C.

    Makes the deployments `snapshot` and `maintain` on the Prefect API that is configured
    (PREFECT_API_URL or the profile), and runs what is due, one run of each at a time.
    """
    from flows import tracking

    snapshots = _lasting(load(SnapshotParameters, options, config))
    of_lake = {
        name: value for name, value in options.items() if name in LakeParameters.model_fields
    }
    upkeep = _lasting(load(MaintainParameters, of_lake, config))
    given = deployed(snapshots), deployed(upkeep)
    zone = time_zone("--timezone", timezone)
    if not tracking.is_configured():
        raise ParameterError(
            "serve needs a Prefect API; start one with `prefect server start` and set "
            "PREFECT_API_URL to http://127.0.0.1:4200/api"
        )
    tracking.require_reachable(otherwise="set it to one that runs")
    crons = cron("--cron", snapshot_cron), cron("--maintain-cron", maintain_cron)

    from prefect import serve as serve_deployments

    from flows.maintain import maintain
    from flows.snapshot import snapshot

    _hand_on(snapshots, config)
    serve_deployments(
        _deployment(snapshot, given[0], crons[0], zone),
        _deployment(maintain, given[1], crons[1], zone),
    )


def _lasting(parameters: Model) -> Model:
    """The parameters with absolute paths: a run may have a folder of its own."""
    lake = parameters.lake
    return parameters.model_copy(
        update={
            "lake": lake if "://" in lake else str(Path(lake).absolute()),
            "warehouse": parameters.warehouse.absolute(),
            "spool": parameters.spool and parameters.spool.absolute(),
        }
    )


def _hand_on(parameters: SnapshotParameters, config: Path | None) -> None:
    """What the runs take from their environment, which is this process's: their secrets."""
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", str(RETRIES))
    if config:
        os.environ[f"{ENVIRONMENT_PREFIX}CONFIG"] = str(config.absolute())
    if parameters.external_id:
        secret = parameters.external_id.get_secret_value()
        os.environ[f"{ENVIRONMENT_PREFIX}EXTERNAL_ID"] = secret


def _deployment(
    flow: Flow[..., Any], parameters: dict[str, Any], cron: str, timezone: str
) -> RunnerDeployment:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    made = flow.to_deployment(
        flow.name,
        parameters={"parameters": parameters},
        schedules=[Cron(cron, timezone=timezone, slug=flow.name)],
        paused=False,  # the end of the process before this one has paused it
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast("RunnerDeployment", made)  # no coroutine outside an event loop
