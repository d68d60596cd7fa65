"""The command `imagelake` as it is installed, and what its process spares itself: it is its own.

What a run spares was measured over 100,000 builds, as a whole process.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_M_ARENA_MAX: Final = -8  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1

_FEW_COLLECTIONS: Final = 200_000, 20, 50
"""None while a command imports what it needs, Prefect aside: at 50,000 each took 10 ms."""
_COLLECTIONS_OF_A_RUN: Final = 10_000, 20, 50
"""Each call of botocore leaves 20 objects, 2 KB, to be collected: 1 ms for 500 calls."""
_PYDANTIC_PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"


def main() -> None:
    """Runs the command line."""
    gc.set_threshold(*_FEW_COLLECTIONS)
    try:
        with lean_imports():
            from flows import cli
        cli.main()
    finally:
        gc.disable()  # Python's end collects everything, unless this says not to
        if _leaks_are_not_counted():
            gc.freeze()  # and once more whatever is set: 0.15 s after a run


def _leaks_are_not_counted() -> bool:
    """DuckDB 2 writes of each of its objects that is there at the end, as if it were an error."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is None or getattr(duckdb, "__version__", "").startswith("1.")


@contextmanager
def lean_imports() -> Iterator[None]:
    """Has pydantic look for no plugins in the block, and pyarrow for no numpy in this process.

    Neither is of use here. pydantic reads what is installed, all of it: 0.04 s. pyarrow imports numpy
    where there is one: 0.1 s, and a thread for each core, which then spins for linear algebra to do.
    """
    known = os.environ.get(_PYDANTIC_PLUGINS)
    os.environ[_PYDANTIC_PLUGINS] = "__all__"
    sys.meta_path.insert(0, _Hidden("numpy", _is_asked_by_pyarrow))
    try:
        yield
    finally:
        del os.environ[_PYDANTIC_PLUGINS]
        if known is not None:
            os.environ[_PYDANTIC_PLUGINS] = known


def _is_asked_by_pyarrow() -> bool:
    """Others find it as ever."""
    frame = inspect.currentframe()
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name != __name__ and not name.startswith("importlib."):
            return bool(name.partition(".")[0] == "pyarrow")
        frame = frame.f_back
    return False


@contextmanager
def spared() -> Iterator[None]:
    """Without pandas, with memory given back and few garbage collections, from here on.

    Only what is left of the imports can be collected again after the block.
    """
    _spare_pandas()
    _spare_memory()
    gc.freeze()  # what the imports made stays: collecting it again costs CPU on every page
    gc.set_threshold(*_COLLECTIONS_OF_A_RUN)
    try:
        yield
    finally:
        gc.unfreeze()  # who counts what is leaked at the end would count all of it


def _spare_memory() -> None:
    """Has memory that is free again given back to the system, at 100,000 builds as at 1,000,000.

    pyarrow's own pool keeps what was freed (60 MB); glibc keeps it in an arena for each of the threads
    that list (60 MB more), and for buffers of any size once some were freed (100 MB). It gives back
    when it is told to, at each group of rows that is written and between a run's stages: by itself it
    would at each batch of pages too, for 2 s of 40 at 1,000,000 builds.
    """
    import ctypes

    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc's
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 16 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _spare_pandas() -> None:
    """Has pyarrow look for pandas where there is none.

    It looks once, at the first list that it makes an array of and the first instant that it gives, and
    imports what it finds: 0.3 s and 60 MB for data frames, of which there are none here.
    """
    import pyarrow as pa

    hidden = _Hidden("pandas")
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([None])
        pa.scalar(0, pa.timestamp("us", "UTC")).as_py()
    finally:
        sys.meta_path.remove(hidden)


class _Hidden:
    """Who looks for the package while it is hidden finds none, unless it is imported already."""

    def __init__(self, package: str, is_hidden: Callable[[], bool] = lambda: True) -> None:
        self._package = package
        self._is_hidden = is_hidden

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._package and self._is_hidden():
            raise ModuleNotFoundError(name)
