"""What a run may use of the machine, or of the container that it is in; beyond Linux less is known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
PROC: Final = Path("/proc")


def cores() -> int:
    """The cores that this process may run on, and as many as its container's quota pays for."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    found = len(affinity(0)) if affinity else os.cpu_count() or 1
    for limit in _limits("cpu.max"):  # such as `150000 100000`: of each 100 ms, 150 on all cores
        quota, _, period = limit.partition(" ")
        if quota.isdigit() and period.isdigit():
            found = min(found, ceil(int(quota) / int(period)))
    return max(1, found)


def memory_bytes() -> int | None:
    """The memory that can be had: what is free, or its container's limit; None where it is unknown."""
    known = [int(limit) for limit in _limits("memory.max") if limit.isdigit()]
    if available := re.search(r"(?m)^MemAvailable: +(\d+) kB$", _text(PROC / "meminfo")):
        known.append(int(available[1]) * 1024)
    return min(known, default=None)


def _limits(name: str) -> Iterator[str]:
    """What the file of that name says in this process's control group and in those above it."""
    own = re.search(r"(?m)^0::/(.*)$", _text(PROC / "self/cgroup"))
    group = CGROUPS / (own[1] if own else "")
    for folder in (group, *group.parents):
        if folder.is_relative_to(CGROUPS):
            yield _text(folder / name)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
