"""The steps of a writer at which it can be killed, and a disk that is slow at the worst moment.

A step is a call that changes what a disk or a bucket holds, or that waits: there is one before it
and one after it, and one within a file that is being written. It is named for the call and for what
it is about: `after link of a record`.
"""

import fcntl
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet as pq
from botocore.client import BaseClient

from extract.landing import LandingWriter
from lake.records import COMMITS
from lake.run import CURRENT, RAW
from lake.storage import LOCKS
from schemas.tables import TABLES

KINDS = {
    COMMITS: "a record",
    CURRENT: "current rows",
    RAW: "raw pages",
    LOCKS: "a lock",
    **dict.fromkeys(TABLES, "a table"),
}
"""What a path is about, by the lake's folder that it is in."""


def _by_path(path: Any, *_: Any) -> str:
    """What a file is of: the path, or its descriptor where the system can tell its path."""
    if isinstance(path, int):
        path = os.path.realpath(f"/proc/self/fd/{path}")
    parts = str(path).split("/")
    return next((f" of {KINDS[part]}" for part in parts if part in KINDS), "")


def _by_target(_: Any, target: Any, *__: Any) -> str:
    return _by_path(target)


def _by_writer(writer: Any, *_: Any) -> str:
    return _by_path(getattr(writer, "where", RAW))


def _by_call(_: Any, operation: str, members: dict[str, Any]) -> str:
    listed = members.get("Delete", {}).get("Objects", ())
    path = listed[0]["Key"] if listed else members.get("Key", members.get("Prefix", ""))
    return f" {operation}{_by_path(path)}"


CALLS: tuple[tuple[Any, str, Callable[..., str]], ...] = (
    (os, "mkdir", _by_path),
    (os, "rmdir", _by_path),
    (os, "fsync", _by_path),
    (os, "unlink", _by_path),
    (os, "replace", _by_target),
    (os, "rename", _by_target),
    (os, "link", _by_target),
    (fcntl, "flock", _by_path),
    (time, "sleep", lambda *_: ""),
    (pq.ParquetWriter, "write_table", _by_writer),
    (pq.ParquetWriter, "close", _by_writer),
    (LandingWriter, "land", _by_writer),
    (LandingWriter, "close", _by_writer),
    (BaseClient, "_make_api_call", _by_call),
)
"""The calls that are steps, and how to tell what each is about."""


Fatal = int | tuple[str, int]
"""A step: its number, or its name and which one of that name; both from 1."""


@dataclass
class Steps:
    """Counts the steps and kills this very process at one of them.

    `tell` learns the step just before. Steps before `begin` is called do not count.
    """

    kill_at: Fatal | None
    tell: Callable[[str, int], None]
    has_begun: bool = True
    count: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def begin(self) -> None:
        self.has_begun = True

    def at(self, name: str) -> None:
        """A step; no other thread takes one at the same time."""
        with self._lock:
            if not self.has_begun:
                return
            self.count += 1
            self.by_name[name] += 1
            if self.kill_at in (self.count, (name, self.by_name[name])):
                self.tell(name, self.count)
                os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Has every such call of this process, and every call of an AWS service, be steps."""
        for owner, name, about in CALLS:
            self._wrap(owner, name, about)
        write = Path.write_bytes

        def write_bytes(path: Path, data: bytes) -> int:
            self.at(f"before write_bytes{_by_path(path)}")
            write(path, data[: len(data) // 2])
            self.at(f"within write_bytes{_by_path(path)}")
            return write(path, data)

        Path.write_bytes = write_bytes  # type: ignore[method-assign,assignment]  # this process is to die by it

    def _wrap(self, owner: Any, name: str, about: Callable[..., str]) -> None:
        call = getattr(owner, name)
        shown = "" if owner is BaseClient else f" {name}"

        @wraps(call)
        def stepped(*given: Any, **named: Any) -> Any:
            what = f"{shown}{about(*given)}"
            self.at(f"before{what}")
            result = call(*given, **named)
            self.at(f"after{what}")
            return result

        setattr(owner, name, stepped)


def slow_down_records(seconds: float) -> None:
    """Has this process's records wait so long between being named and being shown."""
    link, call = os.link, BaseClient._make_api_call

    def slow_link(source: Any, target: Any) -> None:
        if "_commits" in str(target):
            time.sleep(seconds)
        link(source, target)

    def slow_call(client: Any, operation: str, members: dict[str, Any]) -> Any:
        if operation == "PutObject" and "_commits/" in members["Key"]:
            time.sleep(seconds)
        return call(client, operation, members)

    os.link = slow_link  # type: ignore[assignment]  # this process's disk alone
    BaseClient._make_api_call = slow_call
