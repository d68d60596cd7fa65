"""The warehouse asked in SQL: one query, statements from a pipe, or a shell on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb

from flows.formats import Format, format_of
from flows.parameters import ParameterError
from flows.query_errors import tell_places
from flows.session import MOST_ROWS, Session, ask
from flows.statements import statements, statements_of
from lake.opening import confine


def run_sql(
    connection: duckdb.DuckDBPyConnection,
    query: str | None,
    form: Format | None,
    path: Path | None,
    *,
    is_confined: bool = False,
) -> bool:
    """Asks the query, else what stdin gives, else what is typed; returns whether all went well.

    Several statements answer one after the other; a file holds the answer of one. `is_confined` lets
    questions of the lake through and nothing else. Raises QueryError where the query is wrong, and
    ParameterError where the form and the place do not go together.
    """
    tell_places(connection)
    if is_confined:
        confine(connection)
    form = form or (format_of(path) if path else None) or Format.TABLE
    is_file = path is not None or form is Format.PARQUET
    if query is None and sys.stdin.isatty():
        if is_file:
            raise ParameterError("--out and --format parquet go with a QUERY, or one on stdin")
        return run_shell(Session(connection, form, is_confined=is_confined))
    if query is None and not is_file:
        return run_script(Session(connection, form, is_confined=is_confined))
    found = statements("".join(_lines()) if query is None else query)
    if is_file and len(found) != 1:
        raise ParameterError(
            f"QUERY: {len(found)} statements, and a file holds the answer of one; give one"
        )
    for statement in found:
        ask(connection, statement, form, path, is_confined=is_confined)
    return True


def run_script(session: Session) -> bool:
    """Asks the statements on stdin as they come; an error is said and ends nothing."""
    for statement in statements_of(_lines()):
        session.take(statement)
        if session.is_over:
            break
    return session.is_good


def run_shell(session: Session) -> bool:
    """Asks what is typed, until it is left; where no terminal can show a prompt, as from a pipe."""
    if not (sys.stdout.isatty() or sys.stderr.isatty()):
        return run_script(session)
    from flows.prompting import run_prompt  # its libraries are imported for it alone

    session.most = MOST_ROWS if sys.stdout.isatty() else None
    run_prompt(session)
    return True


def _lines() -> Iterator[str]:
    try:
        yield from sys.stdin
    except UnicodeDecodeError as error:
        raise ParameterError(f"stdin: no valid UTF-8: {error.reason}") from error
