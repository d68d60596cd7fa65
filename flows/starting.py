"""What the process of a run spares itself, since nothing else runs in it.

Each was measured over 100,000 builds, as a whole process.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import Final

import pyarrow as pa

_M_ARENA_MAX: Final = -8  # malloc.h
_M_MMAP_THRESHOLD: Final = -3


@contextmanager
def spared() -> Iterator[None]:
    """Without pandas, with memory given back and few garbage collections, from here on.

    Only what is left of the imports can be collected again after the block.
    """
    _spare_pandas()
    _spare_memory()
    gc.freeze()  # what the imports made stays: collecting it again costs CPU on every page
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.unfreeze()  # libraries that count what they leak at the end would count all of it


def _spare_memory() -> None:
    """Has memory that is free again given back to the system, at 100,000 builds as at 1,000,000.

    pyarrow's own pool keeps what was freed (60 MB); glibc keeps it in an arena for each of the threads
    that list (60 MB more), and for buffers of any size once some were freed (100 MB).
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc's
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 4 << 20)


def _spare_pandas() -> None:
    """Has pyarrow look for pandas where there is none.

    It looks once, at the first list that it makes an array of, and imports what it finds: 0.3 s and
    60 MB for data frames, of which there are none here.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([None])
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    """Finds everything but pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
