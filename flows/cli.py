"""The command `imagelake`: options in, one line of words for every error, an exit status out.

0: all targets complete and committed; 1: nothing committed; 2: a usage or configuration error;
3: committed, but some target failed or was cut short, or it ended before all was told. What a command
needs is imported when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import cli_asking, cli_export, cli_report, cli_serving, cli_superset, cli_upkeep
from flows.deploying import OF_ONE_RUN
from flows.mistakes import EXIT_COMMITTED_IN_PART, INTERRUPTED_STATUS, errors_in_one_line
from flows.options import ConfigFile, load, with_parameter_options
from flows.parameters import LakeParameters, ParameterError, SnapshotParameters
from flows.terminal import say, show
from flows.upkeep_parameters import MaintainParameters, RebuildParameters

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from flows.pipeline import Summary


app = typer.Typer(
    name="imagelake",
    help="The queryable history of every AWS EC2 Image Builder build.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs the command line; every error that a user can cause ends in one line on stderr."""
    with errors_in_one_line():
        status = app(standalone_mode=False)
        if status == INTERRUPTED_STATUS:  # which typer makes of Ctrl-C, without a word
            raise KeyboardInterrupt
        sys.exit(status)


@app.callback(invoke_without_command=True)
def imagelake(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """The queryable history of every AWS EC2 Image Builder build."""
    if version:
        from schemas import __version__

        typer.echo(f"imagelake {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _run(
    config: ConfigFile = None,
    track: Annotated[
        bool,
        typer.Option(
            "--track", help="Track the run on a temporary Prefect server where none is configured."
        ),
    ] = False,
    **options: Any,
) -> None:
    """Take one snapshot.

    Where a Prefect API is configured (PREFECT_API_URL or the profile) it is a run of the flow
    `snapshot` there; otherwise the same pipeline in this process, untracked.
    """
    from flows import beyond, tracking
    from flows.summary import exit_status, lines

    parameters = load(SnapshotParameters, options, config)
    if parameters.dask_scheduler:
        beyond.require_usable(parameters)
    if track or tracking.is_configured():
        raise typer.Exit(_take_tracked(parameters, is_temporary=not tracking.is_configured()))
    sys.stderr.write("not tracked by Prefect (no PREFECT_API_URL; see --track)\n")
    summary = _take_untracked(parameters)
    show(lines(summary, parameters.lake, str(parameters.warehouse)))
    raise typer.Exit(exit_status(summary))


def _check(
    config: ConfigFile = None,
    **options: Any,
) -> None:
    """Try every target with one small call, and say what to grant; write nothing."""
    from flows.pipeline import environment_of
    from flows.reading import try_targets
    from flows.summary import trial_lines

    with environment_of(load(SnapshotParameters, options, config)) as parameters:
        outcomes = try_targets(parameters)
    show(trial_lines(outcomes))
    raise typer.Exit(any(outcome.status == "failed" for outcome in outcomes))


def _take_untracked(parameters: SnapshotParameters) -> Summary:
    from flows import beyond
    from flows.pipeline import PLAIN, take_snapshot
    from flows.starting import spared
    from flows.telemetry import observed
    from flows.watch import Lines

    bars = None
    if sys.stderr.isatty():
        from flows.bars import Bars

        bars = Bars()
    with spared(), bars or nullcontext():
        steps = beyond.steps(parameters, PLAIN)
        take = partial(take_snapshot, parameters, steps, bars or Lines(say))
        return observed(take, say)


def _take_tracked(parameters: SnapshotParameters, *, is_temporary: bool) -> int:
    """Takes the snapshot as a run of the flow; its exit status."""
    from flows import tracking
    from flows.summary import exit_status

    if is_temporary:
        sys.stderr.write("starting a temporary Prefect server (about 20 s)\n")
        os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
        os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")  # no call home
        os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    else:
        tracking.require_reachable()
    from flows.snapshot import snapshot
    from flows.starting import spared

    with spared():
        state: State[Summary] = snapshot(parameters, return_state=True)  # type: ignore[assignment]  # the flow returns a state, which Prefect hands on as its own
    from prefect.exceptions import MissingResult

    try:
        return exit_status(state.result())
    except MissingResult:  # the API had the state before it was sent again, and knows no summary
        say(f"Prefect's API took long to answer; the run ended {state.name}: {state.message}")
        return 0 if state.name == "Completed" else EXIT_COMMITTED_IN_PART


app.command("run")(with_parameter_options(_run, SnapshotParameters))
app.command("serve")(with_parameter_options(cli_serving.serve, SnapshotParameters, OF_ONE_RUN))
app.command("check")(with_parameter_options(_check, SnapshotParameters))
app.command("publish")(with_parameter_options(cli_upkeep.publish, LakeParameters))
app.command("rebuild")(with_parameter_options(cli_upkeep.rebuild, RebuildParameters))
app.command("maintain")(with_parameter_options(cli_upkeep.maintain, MaintainParameters))
app.command("rollback")(with_parameter_options(cli_upkeep.rollback, LakeParameters))
app.command("sql")(cli_asking.sql)
app.command("status")(
    with_parameter_options(cli_asking.status, LakeParameters, without=cli_asking.OF_WRITING)
)
app.command("views")(cli_asking.views)
app.command("export")(cli_export.export)
app.command("report")(
    with_parameter_options(cli_report.report, LakeParameters, without=cli_asking.OF_WRITING)
)
app.command("superset-bundle")(cli_superset.superset_bundle)


@app.command()
def emulator(
    port: Annotated[
        int, typer.Option(help="The port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)
    ] = 8490,
    seed: Annotated[int, typer.Option(help="Another seed, another fleet.")] = 1,
    builds: Annotated[int, typer.Option(help="Builds a target, about.", min=0)] = 120,
    account: Annotated[
        list[str] | None, typer.Option(help="An account (repeatable; the first is the caller's).")
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help="A region (repeatable).")] = None,
    clock: Annotated[
        str | None, typer.Option(help="The time that the fleet is seen at (ISO 8601; now).")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="A JSON file of faults by target (`account/region`).")
    ] = None,
) -> None:
    """Serve a local Image Builder endpoint with a seeded, evolving fleet and scripted faults."""
    from extract.emulator.server import run
    from extract.emulator.settings import ACCOUNTS, REGIONS, Settings

    try:
        settings = Settings(
            port=port,
            seed=seed,
            builds=builds,
            accounts=tuple(account or ACCOUNTS),
            regions=tuple(region or REGIONS),
            clock=datetime.fromisoformat(clock) if clock else None,
            faults=json.loads(faults.read_text()) if faults else {},
        )
        run(settings, typer.echo)
    except BrokenPipeError:
        raise
    except OSError as error:
        option = f"--faults '{error.filename}'" if error.filename else f"--port {port}"
        raise ParameterError(f"{option}: {error.strerror}; give another") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise ParameterError(f"emulator: {error}; see `imagelake emulator --help`") from error


if __name__ == "__main__":
    main()
