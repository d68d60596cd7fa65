"""Raw pages on disk: each body is kept byte for byte, with what is known of its call.

A landing is a folder of Arrow stream files with one record batch a page, the body as a zstd frame.
A page that `land` returned for survives a killed process; a file cut off in a page is read up to it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from io import BufferedWriter
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from schemas.table import INSTANT

ROLLOVER_BYTES: Final = 256 << 20
"""A landing file is closed and the next one begun past this size."""

PAGES_AT_A_TIME: Final = 256
"""So many pages are made known together: one by one takes three times as long."""

_REQUEST: Final = "request.json"
_LOCK: Final = "lock"
_CODEC: Final = pa.Codec("zstd", 1)  # 20-fold on real pages; 0.1 ms a page of 100 builds
_FIELDS: Final[dict[str, pa.DataType]] = {
    "account_id": pa.string(),
    "region": pa.string(),
    "operation": pa.string(),
    "ownership": pa.string(),
    "attempt": pa.int32(),
    "number": pa.int32(),
    "token": pa.string(),
    "next_token": pa.string(),
    "first_item": pa.int32(),
    "item_count": pa.int32(),
    "request_id": pa.string(),
    "arrived_at": INSTANT,
    "body_bytes": pa.int64(),
}
SCHEMA: Final = pa.schema([*_FIELDS.items(), ("body", pa.large_binary())])
_SHARED: Final = ("account_id", "region", "operation", "ownership", "token", "next_token")
_ROW: Final = pa.struct(list(SCHEMA))  # a third of the time that an array for each column takes
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"  # by Arrow's streaming format


@dataclass(frozen=True)
class Page:
    """One answer of the API and the call that it answers.

    `attempt` counts the target's listings from 1 (a second one follows a refused token), `number`
    its pages from 1. `first_item` and `item_count` say which of the page's items count, since
    MaxItems or a starting token can cut inside a page. `token` led to the page; `next_token` leads on.
    """

    account_id: str
    region: str
    operation: str
    ownership: str
    attempt: int
    number: int
    token: str | None
    next_token: str | None
    first_item: int
    item_count: int
    request_id: str | None
    arrived_at: datetime
    body: bytes

    def read_body(self) -> bytes:
        """The body's bytes, as of a page that landed."""
        return self.body


class LandedPage(NamedTuple):
    """A page in a landing: what is known of it, and where its body is."""

    account_id: str
    region: str
    operation: str
    ownership: str
    attempt: int
    number: int
    token: str | None
    next_token: str | None
    first_item: int
    item_count: int
    request_id: str | None
    arrived_at: datetime
    body_bytes: int
    file: Path
    frame_start: int
    frame_bytes: int

    def read_body(self) -> bytes:
        """The body's bytes, as they came."""
        with self.file.open("rb", buffering=0) as file:
            frame = os.pread(file.fileno(), self.frame_bytes, self.frame_start)
        body: bytes = _CODEC.decompress(frame, self.body_bytes, asbytes=True)
        return body


class LandingWriter:
    """Appends pages to a landing; threads may share it, and processes that have a label each.

    It never touches files that are there already: a landing that is gone on with gets new ones, whose
    names come after. `label` is a part of its files' names.
    """

    def __init__(self, directory: Path, label: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._label = label
        self._is_closed = False
        self._lock = Lock()
        self._file: BufferedWriter | None = None

    def land(self, page: Page) -> None:
        """Writes the page; when it returns, the page is the operating system's.

        A page that could not be written ends its file: the next one goes into another.
        """
        frame = _CODEC.compress(page.body, asbytes=True)
        known = {**vars(page), "body_bytes": len(page.body), "body": frame}
        batch = pa.RecordBatch.from_struct_array(pa.array([known], _ROW))
        with self._lock:
            if self._is_closed:
                raise ValueError("the landing is closed")
            file = self._file
            if file is None or file.tell() > ROLLOVER_BYTES:
                file = self._begin_file()
            try:
                file.write(batch.serialize())
                file.flush()
            except BaseException:
                self._give_file_up()
                raise

    def close(self) -> None:
        """Makes every landed page durable on the disk."""
        with self._lock:
            self._is_closed = True
            self._end_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin_file(self) -> BufferedWriter:
        self._end_file()
        number = len(list(self._directory.glob("pages-*.arrows")))
        path = self._directory / f"pages-{number:05}{self._label}.arrows"
        self._file = path.open("xb")  # buffered: a raw write can be short
        self._file.write(SCHEMA.serialize())
        return self._file

    def _end_file(self) -> None:
        if self._file is None:
            return
        try:
            self._file.write(_END_OF_STREAM)
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._give_file_up()

    def _give_file_up(self) -> None:
        file, self._file = self._file, None
        with suppress(OSError):  # what it could not flush was never promised
            if file is not None:
                file.close()


@contextmanager
def held(directory: Path, request: str, interrupted: Iterable[Path] = ()) -> Iterator[bool]:
    """Keeps the landing to this process until the block ends; yields whether it was taken over.

    The first of the `interrupted` landings that asked the same, and that no living process holds,
    is moved to `directory`; else an empty one is made. A killed process holds nothing: its lock
    went with it. A landing whose block ended well is never taken over: its pages were put to use.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    lock = _take_over(interrupted, request, directory)
    is_taken_over = lock is not None
    if lock is None:
        directory.mkdir(exist_ok=True)
        lock = _hold(directory)
        (directory / _REQUEST).write_text(request)
    try:
        yield is_taken_over
        with suppress(OSError):  # what the block did is done
            (directory / _REQUEST).unlink()
    finally:
        os.close(lock)


def _take_over(landings: Iterable[Path], request: str, directory: Path) -> int | None:
    """The lock of the landing that was moved: it is held from before the move on."""
    for landing in landings:
        lock = None
        try:
            if (landing / _REQUEST).read_text() == request:
                lock = _hold(landing)
                (landing / _REQUEST).stat()  # gone where its run ended well meanwhile
                landing.rename(directory)
                return lock
        except (FileNotFoundError, BlockingIOError):
            if lock is not None:
                os.close(lock)  # another took it over meanwhile
    return None


def _hold(directory: Path) -> int:
    """Locks the landing for this process. Raises BlockingIOError where another has it."""
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def landed_pages(directory: Path, label: str = "") -> list[LandedPage]:
    """Every whole page of a landing, or of a label's files, in the order in which they landed."""
    paths = sorted(directory.glob(f"pages-*{label}.arrows"))
    return [page for path in paths for page in _pages_of(path)]


def _pages_of(path: Path) -> Iterator[LandedPage]:
    kept: dict[str | None, str | None] = {}  # texts that many pages have are kept once
    with pa.OSFile(str(path)) as source:
        whole = _whole_batches(source)
        while some := list(islice(whole, PAGES_AT_A_TIME)):
            table = pa.Table.from_batches([batch for batch, _ in some])
            sizes = pc.binary_length(table["body"]).to_pylist()
            rows = table.select(list(_FIELDS)).to_pylist()
            for row, (_, start), size in zip(rows, some, sizes, strict=True):
                row |= {name: kept.setdefault(row[name], row[name]) for name in _SHARED}
                yield LandedPage(**row, file=path, frame_start=start, frame_bytes=size)


def _whole_batches(source: pa.NativeFile) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The pages up to the end, or to one that a killed process did not finish; where its frame is."""
    with suppress(EOFError, OSError, pa.ArrowInvalid):
        pa.ipc.read_message(source)  # the schema
        while True:
            message = pa.ipc.read_message(source)
            batch = pa.ipc.read_record_batch(message, SCHEMA)
            _, _, frame = batch["body"].buffers()  # a part of the message's
            yield batch, source.tell() - message.body.size + frame.address - message.body.address
