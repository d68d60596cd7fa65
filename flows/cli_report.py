"""The command that shows a warehouse as a page: report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from flows.options import ConfigFile, load, path_option
from flows.parameters import LakeParameters, ParameterError
from flows.terminal import printable, show

_NEEDED: Final = ("altair", "jinja2", "vl_convert")
"""What the extra `report` installs, by the names that are imported."""


def report(
    out: Annotated[
        Path, path_option("--out", help="The page's file, which is there whole or not at all.")
    ] = Path("imagelake-report.html"),
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive", help="Charts with tooltips, tables that sort and filter (1 MB more)."
        ),
    ] = False,
    config: ConfigFile = None,
    **options: Any,
) -> None:
    """Write the warehouse's state as one HTML page of charts and tables.

    The page loads nothing from anywhere: it can be mailed, printed and kept.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ParameterError(
            f"report: {', '.join(missing)} not installed; pip install 'imagelake[report]'"
        )
    from datetime import UTC, datetime

    from flows.report.writing import write_report
    from lake.opening import connect

    parameters = load(LakeParameters, options, config)
    with connect(parameters.warehouse) as connection:
        size = write_report(connection, out, datetime.now(UTC), is_interactive=interactive)
    show([printable(f"{out}: {size / 1000:,.0f} kB")])
