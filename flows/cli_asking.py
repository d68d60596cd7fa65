"""The commands that ask a warehouse: sql, status, views."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from flows.formats import Format, Listing
from flows.mistakes import EXIT_USAGE
from flows.options import ConfigFile, load, path_option
from flows.parameters import ENVIRONMENT_PREFIX, LakeParameters, SnapshotParameters
from flows.terminal import say, show, stop_printing, width_of

Warehouse = Annotated[
    Path,
    path_option(
        "--warehouse",
        help="The DuckDB file of views over the lake.",
        envvar=f"{ENVIRONMENT_PREFIX}WAREHOUSE",
    ),
]
Form = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
DEFAULTS: Final = SnapshotParameters()
OF_WRITING: Final = ("lake", "materialize", "visibility_seconds", "s3_sse", "s3_kms_key")
"""What a command need not be told that only reads the lake of a warehouse."""


def sql(
    query: Annotated[
        str | None, typer.Argument(help="SQL; without it, a shell, or statements on stdin.")
    ] = None,
    warehouse: Warehouse = DEFAULTS.warehouse,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How to write the rows: as --out's name ends, else as a table. Parquet is binary.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        path_option("--out", help="A file for the rows, which is there whole or not at all."),
    ] = None,
    no_external: Annotated[
        bool,
        typer.Option(
            "--no-external",
            help="For shared use: answer questions of the lake alone; read no other file, write none, "
            "load no extension, change no setting.",
            envvar=f"{ENVIRONMENT_PREFIX}NO_EXTERNAL",
        ),
    ] = False,
) -> None:
    """Ask the warehouse in SQL, read-only.

    Statements are separated by semicolons and answer one after the other. On a terminal and without
    SQL it is a shell with history and completion.
    """
    from flows.shell import run_sql
    from lake.opening import connect

    with connect(warehouse) as connection:
        try:
            is_good = run_sql(connection, query, form, out, is_confined=no_external)
        except BrokenPipeError:
            stop_printing()  # the reader has enough
            return
    if not is_good:
        raise typer.Exit(EXIT_USAGE)


def status(
    form: Form = Format.TABLE,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file and name what is damaged.")
    ] = False,
    config: ConfigFile = None,
    **options: Any,
) -> None:
    """Show the newest snapshot and how complete and fresh each target is."""
    from flows.status import verify_lake, write_status
    from lake.opening import connect, lake_of

    parameters = load(LakeParameters, options, config)
    with connect(parameters.warehouse) as connection:
        if not verify:
            write_status(connection, form, sys.stdout)
            return
        from flows.planning import lake_of as lake_with_settings

        parameters.lake = lake_of(connection)
    raise typer.Exit(verify_lake(lake_with_settings(parameters), sys.stdout, say))


def views(
    name: Annotated[
        str | None, typer.Argument(help="One view or table: its columns, its example.")
    ] = None,
    form: Annotated[
        Listing, typer.Option("--format", help="For people or for programs.")
    ] = Listing.TABLE,
) -> None:
    """List the views and tables, or show one with its columns and an example query."""
    from flows import catalog

    known = catalog.relations()
    shown = known.values() if name is None else catalog.named(name, known)
    if form is Listing.JSON:
        show([catalog.as_json(shown)])
    else:
        show(catalog.described(shown, width_of(sys.stdout)))
