"""Clean-up at a later hour, what it did, and pages for it to find."""

from datetime import UTC, datetime, timedelta

from lake.folder import Folder
from lake.maintain import Removal
from lake.run import Run

HOUR = timedelta(hours=1)
NOTHING: list[Removal] = []


def after(age: timedelta) -> datetime:
    return datetime.now(UTC) + age


def run_ids(done: list[Removal], reason: str) -> list[str]:
    return [removal.what.split()[1] for removal in done if removal.reason == reason]


def land(folder: Folder, run: Run, content: bytes = b"pages") -> str:
    path = f"{run.raw_folder}/pages-00000.arrows"
    folder.path(path).parent.mkdir(parents=True)
    folder.path(path).write_bytes(content)
    return path
