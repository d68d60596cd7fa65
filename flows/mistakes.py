"""Every error that a user can cause, as one line on stderr and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from flows.parameters import ParameterError
from flows.terminal import printable, stop_printing
from lake.interruption import has_record_begun, is_of_duckdb

EXIT_NOTHING_COMMITTED: Final = 1
EXIT_USAGE: Final = 2
EXIT_COMMITTED_IN_PART: Final = 3
INTERRUPTED: Final = (
    "interrupted: nothing was committed; run it again within the hour, and it goes on with the pages "
    "that had landed"
)
INTERRUPTED_STATUS: Final = 130
"""What typer returns of a command that Ctrl-C ended."""
INTERRUPTED_LATE: Final = (
    "interrupted as the snapshot was committed: `imagelake status` says whether it shows"
)
AFTER_A_CHECK: Final = (
    "the raw pages are kept in the lake's _raw folder for a look; run it again, within the hour on the "
    "same pages, with --accept-drop where builds are rightly gone"
)

UsageError: Final[Any] = typer.BadParameter.__mro__[1]  # click's own, wherever typer keeps it


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends the process with the line and the status; a defect of ours keeps its traceback."""
    try:
        yield
    except ParameterError as error:
        _fail(str(error), EXIT_USAGE)
    except UsageError as error:
        words = error.format_message().rstrip(".").replace("Value error, ", "")
        _fail(f"{words}; see `{_asked(error)} --help`", EXIT_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        _fail(*_interrupted())
    except BrokenPipeError:
        stop_printing()
    except Exception as error:
        message, status = _interrupted() if is_of_duckdb(error) else _explain(error)
        _fail(message, status)


def _is_run() -> bool:
    return "run" in sys.argv[1:2]


def _interrupted() -> tuple[str, int]:
    if _is_run() and has_record_begun():
        return INTERRUPTED_LATE, EXIT_COMMITTED_IN_PART
    if _is_run():
        return INTERRUPTED, EXIT_NOTHING_COMMITTED
    leaves_something = sys.argv[1:2] in (["rebuild"], ["maintain"], ["rollback"])
    told = "interrupted: what was done by then stands" if leaves_something else "interrupted"
    return told, EXIT_NOTHING_COMMITTED


def _asked(error: Any) -> str:
    return str(error.ctx.command_path) if error.ctx else "imagelake"


def _explain(error: Exception) -> tuple[str, int]:
    """The line and the exit status of an error; raises it again where it is a defect of ours."""
    import duckdb
    from pyarrow import ArrowException

    from extract.errors import CALL_ERRORS, TargetError
    from flows.answers import is_of_removed_file, words_of_removed_file
    from flows.query_errors import QueryError
    from lake.checks import CheckError
    from lake.commit import CommitError
    from lake.storage import StorageError

    if isinstance(error, TargetError):
        return str(error), EXIT_USAGE if error.is_usage else EXIT_NOTHING_COMMITTED
    if isinstance(error, QueryError):
        return str(error), EXIT_USAGE if error.is_usage else EXIT_NOTHING_COMMITTED
    if isinstance(error, StorageError):
        return str(error), EXIT_USAGE
    if isinstance(error, CommitError):
        return f"not committed: {error}", EXIT_NOTHING_COMMITTED
    if isinstance(error, CheckError):
        return f"not committed: {error}; {AFTER_A_CHECK}", EXIT_NOTHING_COMMITTED
    if isinstance(error, duckdb.Error) and is_of_removed_file(error):
        return words_of_removed_file(error), EXIT_NOTHING_COMMITTED
    if isinstance(error, duckdb.Error):
        return str(error).strip(), EXIT_USAGE
    if isinstance(error, CALL_ERRORS) and not isinstance(error, OSError):
        # of the configuration: a call's own are in its target's outcome
        return f"AWS configuration: {_line(error)}", EXIT_USAGE
    if isinstance(error, OSError | ArrowException):
        words = f"{error.filename}: {error.strerror}" if getattr(error, "filename", None) else error
        if notes := getattr(error, "__notes__", None):
            words = f"{'; '.join(notes)} ({words})"
        if not _is_run():
            return _line(words), EXIT_NOTHING_COMMITTED
        if has_record_begun():
            return f"as the snapshot was committed: {_line(words)}", EXIT_COMMITTED_IN_PART
        return f"nothing was committed: {_line(words)}", EXIT_NOTHING_COMMITTED
    raise error


def _line(words: object) -> str:
    return " ".join(str(words).split())


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"imagelake: {printable(message)}\n")
    raise SystemExit(status)
