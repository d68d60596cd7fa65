"""An SQL shell on the warehouse: statements end with a semicolon, an error ends no session."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import duckdb

from flows.answers import write_answer
from flows.formats import Format
from flows.terminal import printable

_GREETING = "Statements end with `;`. `.views` lists the views, `.quit` or Ctrl-D leaves."


def run_shell(connection: duckdb.DuckDBPyConnection, form: Format) -> bool:
    """Reads statements from stdin until it ends; prompts, with history, where it is a terminal.

    Returns whether every statement succeeded.
    """
    is_good = True
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        import readline  # noqa: F401 - importing it gives `input` its line editing and history

        sys.stderr.write(_GREETING + "\n")
    for statement in _statements(is_terminal):
        try:
            write_answer(connection, statement, form, sys.stdout)
        except duckdb.Error as error:
            is_good = False
            sys.stderr.write(printable(str(error).strip()) + "\n")
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
    return is_good


def _statements(is_terminal: bool) -> Iterator[str]:
    gathered = ""
    while True:
        prompt = ("imagelake> " if not gathered else "      ...> ") if is_terminal else ""
        try:
            line = input(prompt)
        except EOFError:
            if gathered.strip():
                yield gathered
            return
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            gathered = ""
            continue
        if not gathered and line.strip().rstrip(";") in (".quit", "exit", "quit"):
            return
        if not gathered and line.strip() == ".views":
            line = "select view_name, comment from duckdb_views() where not internal;"
        gathered += line + "\n"
        if line.rstrip().endswith(";"):
            yield gathered
            gathered = ""
