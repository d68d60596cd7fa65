"""The commands that look after a lake: rebuild, maintain, rollback, publish."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from flows.options import ConfigFile, load
from flows.parameters import LakeParameters, ParameterError
from flows.terminal import printable, say, show
from flows.upkeep_parameters import MaintainParameters, RebuildParameters


def rebuild(config: ConfigFile = None, **options: Any) -> None:
    """Derive the tables again from the raw pages kept in the lake, and commit them."""
    from flows.upkeep import rebuild_dates, rebuild_lines

    rebuilds = rebuild_dates(load(RebuildParameters, options, config), say)
    show(rebuild_lines(rebuilds))
    is_whole = not (rebuilds.refused or rebuilds.warehouse_problem or rebuilds.interrupted)
    raise typer.Exit(0 if is_whole else 3 if rebuilds.done else 1)


def maintain(config: ConfigFile = None, **options: Any) -> None:
    """Remove what need not be kept, and compact what is scattered over many files."""
    from flows.upkeep import maintain_lake, maintain_lines

    parameters = load(MaintainParameters, options, config)
    done = maintain_lake(parameters, say)
    show(maintain_lines(done, is_dry=parameters.dry_run))


def rollback(
    snapshot_date: Annotated[datetime, typer.Argument(metavar="DATE", formats=["%Y-%m-%d"])],
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Without it, the date's runs are listed.")
    ] = None,
    config: ConfigFile = None,
    **options: Any,
) -> None:
    """Show an older run of a date again."""
    from flows.upkeep import roll_back, run_lines

    parameters = load(LakeParameters, options, config)
    if run_id is None:
        show(run_lines(parameters, snapshot_date.date()))
        return
    record, problem = roll_back(parameters, snapshot_date.date(), run_id)
    show([f"{record.snapshot_date} shows run {record.run_id}"])
    if problem:
        say(printable(f"imagelake: the warehouse was not built: {problem}"))
        raise typer.Exit(3)


def publish(
    pinned: Annotated[
        bool,
        typer.Option("--pinned", help="A frozen copy, in a --warehouse of its own."),
    ] = False,
    config: ConfigFile = None,
    **options: Any,
) -> None:
    """Build a warehouse over a lake: live views, a frozen copy, or tables."""
    from flows import publishing
    from flows.planning import existing_lake
    from lake.warehouse import publish_pinned

    parameters = load(LakeParameters, options, config)
    if pinned and parameters.materialize:
        raise ParameterError(
            "--pinned, --materialize: a warehouse is frozen views or tables; give one of them"
        )
    lake = existing_lake(parameters)
    if pinned:
        is_new = publish_pinned(lake, parameters.warehouse)
    else:
        is_new = publishing.publish(lake, parameters)
    typer.echo(f"{parameters.warehouse}: {'built' if is_new else 'up to date'}")
