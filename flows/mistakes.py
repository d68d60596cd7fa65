"""Every error that a user can cause, as one line on stderr and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from flows.parameters import ParameterError

EXIT_NOTHING_COMMITTED: Final = 1
EXIT_USAGE: Final = 2

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
        _fail("interrupted; nothing was committed", EXIT_NOTHING_COMMITTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has enough
    except Exception as error:
        message, status = _explain(error)
        _fail(message, status)


def _asked(error: Any) -> str:
    return str(error.ctx.command_path) if error.ctx else "imagelake"


def _explain(error: Exception) -> tuple[str, int]:
    """The line and the exit status of an error; raises it again where it is a defect of ours."""
    import duckdb

    from extract.targets import TargetError
    from lake.commit import CommitError
    from lake.storage import StorageError

    if isinstance(error, TargetError):
        return str(error), EXIT_USAGE if error.is_usage else EXIT_NOTHING_COMMITTED
    if isinstance(error, StorageError):
        return str(error), EXIT_USAGE
    if isinstance(error, CommitError):
        return f"not committed: {error}", EXIT_NOTHING_COMMITTED
    if isinstance(error, duckdb.Error):
        return str(error).strip(), EXIT_USAGE
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", EXIT_NOTHING_COMMITTED
    raise error


def _fail(message: str, status: int) -> None:
    from flows.terminal import printable

    sys.stderr.write(f"imagelake: {printable(message)}\n")
    raise SystemExit(status)
