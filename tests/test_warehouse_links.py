"""A warehouse that is a link stays one: the file that it names is made, and replaced, in its place."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.opening import lake_of
from lake.storage import Lake, StorageError
from lake.warehouse import (
    connect,
    make_place,
    publish,
    publish_materialized,
    publish_pinned,
    require_replaceable,
)
from tests.command import Command
from tests.many_runs import FIRST_DAY
from tests.test_writer import commit_rows
from tests.warehouses import one_build

Publish = Callable[[Lake, Path], bool]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What the link names; it does not exist yet, nor does its folder."""
    return tmp_path / "elsewhere" / "x.duckdb"


@pytest.fixture
def link(tmp_path: Path, file: Path) -> Path:
    """A link to a link to the file, relative as `ln -s` makes them, in a folder of its own."""
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "current.duckdb").symlink_to(Path("../elsewhere", file.name))
    link = tmp_path / "links" / "imagelake.duckdb"
    link.symlink_to("current.duckdb")
    return link


def shown_by(*warehouses: Path) -> list[str]:
    found = []
    for path in warehouses:
        with connect(path) as connection:
            found.append(lake_of(connection))
    return found


def require_links(link: Path, file: Path) -> None:
    """Nothing is there but the two links, as they were, and the file."""
    current = link.with_name("current.duckdb")
    assert (link.readlink(), current.readlink()) == (
        Path("current.duckdb"),
        Path("../elsewhere", file.name),
    )
    assert {path.name for path in link.parent.iterdir()} == {"imagelake.duckdb", "current.duckdb"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.is_file()
    assert not file.is_symlink()


@pytest.mark.parametrize("publish_one", [publish, publish_pinned, publish_materialized])
def test_the_file_behind_a_link_is_replaced(
    folder: Folder, tmp_path: Path, link: Path, file: Path, publish_one: Publish
) -> None:
    """It is made where the link points, and who reads it by its own name sees the new one."""
    other = open_folder(str(tmp_path / "other"))
    for number, lake in enumerate((folder, other)):
        commit_rows(lake, FIRST_DAY, one_build(str(number)))
        assert publish_one(lake, link) is True
        require_links(link, file)
        assert shown_by(link, file) == [lake.uri, lake.uri]
    assert publish_one(other, link) is False
    assert publish_one(other, file) is False


def test_runs_leave_the_link_and_renew_its_file(
    imagelake: Command, emulator: object, link: Path, file: Path
) -> None:
    assert emulator
    for day in ("2025-11-20", "2025-11-21"):
        run = ("run", "--date", day, "--materialize", "--warehouse", str(link))
        assert imagelake(*run).returncode == 0
        require_links(link, file)
        for path in (link, file):
            asked = ("sql", "--format", "csv", "select max(snapshot_date) as day from snapshots")
            assert imagelake(*asked, "--warehouse", str(path)).stdout == f"day\n{day}\n"


def test_what_a_killed_publication_left_beside_the_file_goes(
    folder: Folder, link: Path, file: Path
) -> None:
    publish(folder, link)
    left = [file.with_name(f"{file.name}.tmp-1a2b3c4d{end}") for end in ("", ".wal")]
    young = file.with_name(f"{file.name}.tmp-5e6f7a8b")
    written_at = time.time() - 25 * 3600
    for path in (*left, young):
        path.write_bytes(b"half")
    for path in left:
        os.utime(path, (written_at, written_at))
    assert publish(folder, link) is False
    assert sorted(file.parent.iterdir()) == sorted([file, young])


def test_a_link_that_leads_back_to_itself_is_named(folder: Folder, tmp_path: Path) -> None:
    """Before anything is read, and nothing takes its place."""
    loop = tmp_path / "loop.duckdb"
    loop.symlink_to("loop.duckdb")
    for path in (loop, loop / "imagelake.duckdb"):
        for refuse in (
            lambda path: require_replaceable(path, folder),
            make_place,
            lambda path: publish(folder, path),
        ):
            with pytest.raises(StorageError) as refused:
                refuse(path)
            assert str(refused.value) == (
                f"--warehouse {str(path)!r}: a link in it leads back to itself; remove that or give "
                "another"
            )
    assert loop.readlink() == Path("loop.duckdb")


def test_a_place_behind_a_link_that_cannot_be_written_is_named_by_the_link(
    folder: Folder, tmp_path: Path
) -> None:
    link = tmp_path / "imagelake.duckdb"
    link.symlink_to("/proc/none/imagelake.duckdb")
    for refuse in (lambda: make_place(link), lambda: publish(folder, link)):
        with pytest.raises(StorageError) as refused:
            refuse()
        assert str(refused.value).startswith(f"--warehouse {str(link)!r}: cannot be written: ")
    assert link.is_symlink()


def test_the_name_of_the_file_behind_a_link_counts(folder: Folder, tmp_path: Path) -> None:
    """A database that is named as its schema would make `bi.builds` ambiguous."""
    link = tmp_path / "imagelake.duckdb"
    link.symlink_to("bi.duckdb")
    with pytest.raises(StorageError, match="would be named as its schema bi"):
        require_replaceable(link, folder)
    assert not link.exists()
