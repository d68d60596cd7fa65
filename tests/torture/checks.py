"""What must hold of a lake after every kill, and once clean-up has had its last word."""

from collections.abc import Iterator

from lake.changes import has_changes
from lake.inventory import take_inventory
from lake.records import OLDER, commits, manifest_of, newest_first, read_record
from lake.retention import changes_without
from lake.run import RAW, SCHEMA_RUN, raw_folder
from lake.storage import LOCKS, Lake


def problems_of_records(lake: Lake) -> Iterator[str]:
    """Every record has all its files, with their sizes; the newest one its current rows too.

    Writers and clean-up may be at work. The records are listed before the files, which are there
    before them; a record that is gone when a file of it is had been removed first, as it must be.
    """
    named = []
    for place, record in enumerate(newest_first(commits(lake))):
        try:
            content = read_record(lake, record)
        except FileNotFoundError:
            continue  # removed meanwhile
        for part in ("tables",) if place else ("tables", "current"):
            manifest = manifest_of(content, part)
            named += [(record, file) for files in manifest.values() for file in files]
    found = {file.path: file.size_bytes for file in lake.files("")}
    wrong = [(record, file) for record, file in named if found.get(file.path) != file.size_bytes]
    left = set(commits(lake)) if wrong else set()
    for record, file in wrong:
        if record in left:
            yield f"{record.path}: {file.path} has {found.get(file.path)} bytes, not {file.size_bytes}"


def problems_after_clean_up(lake: Lake) -> Iterator[str]:
    """Nothing is left that no record names: no data file, no unfinished one, no stale landing.

    Each record is in one place: the newest where it was published, all others in the older folder.
    """
    named, landings = set(), set()
    records = newest_first(commits(lake))
    for place, record in enumerate(records):
        content = read_record(lake, record)
        if (record.folder == OLDER) != bool(place):
            yield f"not moved, or moved too soon: {record.path}"
        for part in ("tables",) if place else ("tables", "current"):
            named |= {f.path for files in manifest_of(content, part).values() for f in files}
        runs = {content["raw_run"], *(run for of in content["raw_runs"].values() for run in of)}
        landings |= {raw_folder(record.snapshot_date, run) for run in runs}
        named.add(record.path)
    inventory = take_inventory(lake)
    runs = {(record.snapshot_date, record.run_id) for record in records}
    needless = set(changes_without(runs, inventory.changes))
    named |= {file.path for key, file in inventory.changes.items() if key not in needless}
    for file in lake.files(""):
        folder = file.path.rpartition("/")[0]
        is_schema = f"={SCHEMA_RUN}/" in file.path
        is_landing = file.path.startswith(f"{RAW}/") and folder in landings
        if not (file.path in named or is_schema or is_landing or folder == LOCKS):
            yield f"left: {file.path}"
    for leftover in lake.leftovers():
        yield f"left unfinished: {leftover.path}"
    if not has_changes(lake):
        yield "a file of changes is missing that the captures name"
    if len({record.snapshot_date for record in records}) != len(records):
        yield "a superseded record is left"
