"""The command that writes views as files: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_asking import DEFAULTS, Warehouse
from flows.formats import FileFormat
from flows.options import path_option
from flows.terminal import say


def export(
    out: Annotated[
        Path,
        path_option(
            "--out", help="The folder for the files; those of an export before are replaced."
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VIEW]...",
            help="Views, those for BI tools as bi.NAME; without any, all but those with a row for "
            "every build of every date.",
        ),
    ] = None,
    form: Annotated[
        FileFormat, typer.Option("--format", help="What each file is: VIEW.parquet or VIEW.csv.")
    ] = FileFormat.PARQUET,
    excel_safe: Annotated[
        bool,
        typer.Option(
            "--excel-safe",
            help="In CSV, an apostrophe before a text that a spreadsheet takes for a formula.",
        ),
    ] = False,
    warehouse: Warehouse = DEFAULTS.warehouse,
) -> None:
    """Write views as Parquet or CSV files, all of one instant.

    Each file is there whole or not at all.
    """
    from flows.exporting import export as write_files
    from lake.opening import connect

    with connect(warehouse) as connection:
        write_files(connection, out, form, names or [], say, is_excel_safe=excel_safe)
