"""Views as files, for tools that want files: all of one instant, each whole or not there at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

import duckdb

from flows.answer_file import answer_file
from flows.answers import ASKED_TIMES, asked_again, is_of_removed_file, write_answer
from flows.catalog import MACRO, Relation, named, relations_of
from flows.formats import FileFormat, Format
from flows.parameters import ParameterError
from flows.planning import FULL
from flows.query_errors import QueryError
from flows.terminal import counted, printable
from lake.building import INFO
from lake.materialized import LEFT_OUT

SAY_SECONDS: Final = 5.0
"""So often a file that takes long says how far it is."""

Say = Callable[[str], object]

_NAME: Final = re.compile(r"([a-z_][a-z0-9_]*\.)?[a-z_][a-z0-9_]*")
_CALL: Final = re.compile(r"\s*([\w.]+)\s*\(.*")


def export(
    warehouse: duckdb.DuckDBPyConnection,
    folder: Path,
    form: FileFormat,
    names: Sequence[str],
    say: Say,
    *,
    is_excel_safe: bool = False,
) -> int:
    """Writes the views, or all that `exported_by_default` are, to `folder`; returns how many.

    They are read in one transaction, so that they agree, put in their places when all are whole, and
    told of then: the files of an export before stay until then. Where clean-up took a file of the lake
    from under them, all are read again. Raises ParameterError where a name is no view, QueryError where
    one cannot be read.
    """
    if is_excel_safe and form is not FileFormat.CSV:
        raise ParameterError("--excel-safe: it is for --format csv; Parquet holds no formulas")
    known = relations_of(warehouse)
    chosen = [_view(name, known) for name in names] or exported_by_default(known)
    _make(folder)
    paths = {name: folder / f"{name}.{form}" for name in dict.fromkeys(chosen)}

    def write() -> list[str]:
        said = []
        with ExitStack() as files, _transaction(warehouse):
            for name, path in paths.items():
                out = files.enter_context(answer_file(path, Format(form)))
                with _progress(name, Path(out.name), say):
                    count = write_answer(
                        warehouse,
                        f"from {name}",
                        Format(form),
                        out,
                        times=1,
                        is_excel_safe=is_excel_safe,
                    )
                said.append(printable(f"{path}: {counted(count or 0, 'row')}"))
        return said

    try:
        written = asked_again(write, ASKED_TIMES)
    except OSError as error:
        if error.errno in FULL:
            error.add_note(
                f"--out {str(folder)!r}: nothing was exported: no space is left; make room, try again"
            )
        raise
    except duckdb.Error as error:
        if is_of_removed_file(error):
            raise
        words = " ".join(str(error).split())
        raise QueryError(f"nothing was exported: {words}", is_usage=False) from error
    for line in written:
        say(line)
    return len(paths)


def exported_by_default(known: dict[str, Relation]) -> list[str]:
    """All that the warehouse has, but what has a row for every build of every date, and macros."""
    return sorted(
        name
        for name, relation in known.items()
        if relation.kind != MACRO and name not in (*LEFT_OUT, INFO) and _NAME.fullmatch(name)
    )


def _view(name: str, known: dict[str, Relation]) -> str:
    """The view of that name. Raises ParameterError where it is none, or a macro."""
    call = _CALL.fullmatch(name)
    relation = named(call[1] if call else name, known)
    if relation.kind == MACRO:
        dates = ", ".join(["'YYYY-MM-DD'"] * len(relation.parameters))
        raise ParameterError(
            f"{relation.title}: it is a macro, which has rows of a day only; write them with "
            f'`imagelake sql --out FILE.parquet "from {relation.name}({dates})"`'
        )
    if call or not _NAME.fullmatch(relation.name):
        raise ParameterError(f"{name!r} is no view; `imagelake views` lists them")
    return relation.name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(
            f"--out {str(folder)!r}: no folder can be made: {error.strerror}; give another"
        ) from error


@contextmanager
def _transaction(warehouse: duckdb.DuckDBPyConnection) -> Iterator[None]:
    warehouse.begin()
    try:
        yield
    finally:
        warehouse.rollback()


@contextmanager
def _progress(name: str, staged: Path, say: Say) -> Iterator[None]:
    """Says now and then how large the file has become."""
    is_over = Event()

    def tell() -> None:
        while not is_over.wait(SAY_SECONDS):
            size = staged.stat().st_size if staged.exists() else 0
            say(printable(f"{name}: {size / 1e6:,.1f} MB so far"))

    teller = Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        is_over.set()
        teller.join()
