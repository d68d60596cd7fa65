"""A file that an answer is written to: it is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from flows.formats import Format
from flows.parameters import ParameterError


@contextmanager
def answer_file(path: Path, form: Format | None = None) -> Iterator[TextIO]:
    """The file that an answer is written to: beside its place, and renamed when it is whole.

    Raises ParameterError where the place can hold none.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    if target.exists() and not target.is_file():
        raise ParameterError(f"{str(path)!r}: there is something else than a file")
    staged = target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
    try:
        newline = "" if form is Format.CSV else None
        with staged.open("x", encoding="utf-8", newline=newline) as out:
            if target.exists():
                shutil.copymode(target, staged)
            yield out
            out.flush()
            os.fsync(out.fileno())
        staged.replace(target)
    except OSError as error:
        if error.filename != str(staged):
            raise
        why = error.strerror if target.parent.is_dir() else "its folder is not there; make it first"
        raise ParameterError(f"{str(path)!r}: cannot be written: {why}") from error
    finally:
        staged.unlink(missing_ok=True)
