"""What a shell does with what it is given: statements are asked, commands begin with a dot."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from flows.answer_file import answer_file
from flows.answers import NO_ROWS, write_answer
from flows.confined import OPTION, refusal
from flows.formats import Format, format_of
from flows.loading import path_given
from flows.parameters import ParameterError
from flows.query_errors import QueryError, query_error, words_of
from flows.statements import Statement, is_command
from flows.terminal import counted, printable, say, show, width_of

if TYPE_CHECKING:
    from flows.catalog import Relation

MOST_ROWS: Final = 1_000
"""Rows that a shell on a terminal shows of an answer until it is told otherwise."""

COMMANDS: Final = {
    ".views": ("", "the views, tables and macros, with what they answer"),
    ".schema": ("NAME", "one of them: its grain, its columns, an example"),
    ".format": ("table|csv|json", "how answers are shown"),
    ".rows": ("N|all", "how many rows of an answer are shown"),
    ".save": ("FILE", "write the next answer, whole, to a .csv, .json or .parquet file"),
    ".help": ("", "this list"),
    ".quit": ("", "leave; so does Ctrl-D"),
}
_UNNAMED_WIDTH: Final = 100
"""The cells that an error's line takes where no terminal says how many there are."""


def ask(
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    form: Format,
    path: Path | None = None,
    most: int | None = None,
    *,
    is_confined: bool = False,
) -> None:
    """Writes the statement's answer to stdout, or to a file. Raises QueryError where it fails.

    Where it `is_confined`, a statement that does more than ask is refused.
    """
    try:
        statement.text.encode()
    except UnicodeEncodeError as error:
        raise QueryError("the statement is no valid UTF-8") from error
    if is_confined and (why := refusal(statement.text)):
        raise QueryError(why)
    try:
        if path is None:
            write_answer(connection, statement.text, form, sys.stdout, most=most)
            sys.stdout.flush()
            return
        with answer_file(path, form) as out:
            count = write_answer(connection, statement.text, form, out)
            if count is None:
                raise ParameterError(NO_ROWS)
        say(printable(f"{path}: {counted(count, 'row')}"))
    except duckdb.Error as error:
        if is_confined and isinstance(error, duckdb.PermissionException):
            raise QueryError(f"{OPTION}: {words_of(error)}") from error
        width = width_of(sys.stderr) or _UNNAMED_WIDTH
        raise query_error(error, statement, width) from error
    except UnicodeEncodeError as error:
        words = f"stdout takes no {error.object[error.start]!a}: it is {error.encoding}"
        raise QueryError(f"{words}; set PYTHONIOENCODING=utf-8") from error


@dataclass
class Session:
    """A shell's state: how it shows answers, whether all went well, whether it is over."""

    connection: duckdb.DuckDBPyConnection
    form: Format
    most: int | None = None
    is_confined: bool = False
    is_good: bool = True
    is_over: bool = False
    _save: Path | None = None
    _relations: dict[str, Relation] = field(default_factory=dict)

    def take(self, statement: Statement) -> None:
        """Does as told; what is wrong is said in words, and ends nothing."""
        try:
            if is_command(statement.text):
                self._command(statement.text)
            else:
                self._relations = {}  # it may make some
                self._ask(statement)
        except BrokenPipeError:
            raise
        except (QueryError, ParameterError, OSError) as error:
            self.is_good = False
            say(printable(str(error)))

    def _ask(self, statement: Statement) -> None:
        path, self._save = self._save, None
        form = (format_of(path) if path else None) or self.form
        try:
            ask(self.connection, statement, form, path, self.most, is_confined=self.is_confined)
        except QueryError:
            self._save = path  # there was no answer yet
            raise

    def relations(self) -> dict[str, Relation]:
        """What can be queried now, by name; what was known before where the warehouse cannot say."""
        from flows.catalog import relations_of  # what a statement alone does not need

        if not self._relations:
            try:
                self._relations = relations_of(self.connection)
            except duckdb.Error:  # such as in a transaction that an error ended
                return {}
        return self._relations

    def _command(self, line: str) -> None:
        name, *given = line.rstrip("; \n").split(maxsplit=1)
        does = self._doing().get(name.lower())
        if does is None:
            raise ParameterError(f"{name!r} is no command; .help lists them")
        does(given[0].strip() if given else "")

    def _doing(self) -> dict[str, Callable[[str], None]]:
        leave = (".quit", ".exit", "quit", "exit")
        return {
            ".views": self._show_views,
            ".schema": self._show_schema,
            ".format": self._set_format,
            ".rows": self._set_rows,
            ".save": self._set_save,
            ".help": lambda _: show(help_lines()),
            **dict.fromkeys(leave, self._leave),
        }

    def _show_views(self, _: str) -> None:
        from flows.catalog import summarize

        show(summarize(self.relations().values(), width_of(sys.stdout)))

    def _show_schema(self, name: str) -> None:
        from flows.catalog import describe_one, named

        if not name:
            raise ParameterError(".schema NAME: which view or table? .views lists them")
        show(describe_one(named(name, self.relations()), width_of(sys.stdout)))

    def _set_format(self, name: str) -> None:
        if name == Format.PARQUET:
            raise ParameterError(
                ".format parquet: it is binary; .save FILE.parquet keeps an answer"
            )
        if name not in list(Format):
            raise ParameterError(f".format {name}: expected table, csv or json")
        self.form = Format(name)

    def _set_rows(self, count: str) -> None:
        if count != "all" and not (count.isdecimal() and int(count)):
            raise ParameterError(f".rows {count}: expected a number above 0, or all")
        self.most = None if count == "all" else int(count)

    def _set_save(self, name: str) -> None:
        if self.is_confined:
            raise ParameterError(f"{OPTION}: .save is refused: no file is written")
        path = path_given(".save", name)
        if not name or (path.suffix and format_of(path) is None):
            raise ParameterError(f".save {name}: expected a .csv, .json or .parquet file")
        self._save = path
        say(printable(f"the next answer goes to {path}"))

    def _leave(self, _: str) -> None:
        self.is_over = True


def help_lines() -> Iterator[str]:
    """The commands and keys of the shell."""
    for name, (argument, words) in COMMANDS.items():
        yield f"{f'{name} {argument}':<24}{words}"
    yield ""
    yield "A statement ends with `;` and may take several lines. Tab completes, Ctrl-R searches what"
    yield "was typed before, Ctrl-C cancels a query or clears the line. The warehouse is read-only."
