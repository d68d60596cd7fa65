"""A lake's files are whole under their names or not there, wherever the lake is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder, open_lake
from lake.storage import StorageError, StoredFile

ODD_NAMES = (
    "it's",
    'a "quoted" one',
    "[lake]",
    "x*?",
    "{a,b}",
    "a=b",
    "ünïcode 日本",
    "%41 #1; $HOME ~",
)
"""Folder names that mean something to SQL, globs, shells, URIs or Hive."""


def test_a_staged_file_shows_only_once_published(folder: Folder) -> None:
    """What is being built is no file of the lake, and no glob of Parquet files matches it."""
    staged = folder.stage("t/part.parquet")
    staged.write_bytes(b"half")
    assert list(folder.files("t")) == []
    assert _glob(folder, "t/*.parquet") == []

    assert folder.publish(staged, "t/part.parquet") == StoredFile("t/part.parquet", 4)
    assert list(folder.files("t")) == [StoredFile("t/part.parquet", 4)]
    assert _glob(folder, "t/*.parquet") == [str(folder.path("t/part.parquet"))]


def test_a_created_file_is_never_replaced(folder: Folder) -> None:
    folder.create(lambda: "c/record.json", b"first")
    with pytest.raises(FileExistsError):
        folder.create(lambda: "c/record.json", b"second")
    assert folder.read("c/record.json") == b"first"
    assert [path.name for path in folder.path("c").iterdir()] == ["record.json"]


def test_one_of_many_creators_wins(folder: Folder) -> None:
    """The others are told; what is there is one creator's, whole."""

    def create(number: int) -> bool:
        try:
            folder.create(lambda: "c/record.json", b"%d" % number * 1000)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert folder.read("c/record.json") == b"%d" % won.index(True) * 1000


def test_a_folder_that_is_not_there_has_no_files(folder: Folder) -> None:
    assert list(folder.files("nothing")) == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_glob_takes_the_lakes_own_name_to_the_letter(tmp_path: Path, name: str) -> None:
    """A sibling whose name the raw pattern would match as well stays out."""
    folder = open_folder(str(tmp_path / name))
    folder.create(lambda: "t/a.parquet", b"")
    (tmp_path / "xyz" / "t").mkdir(parents=True)
    (tmp_path / "xyz" / "t" / "b.parquet").write_bytes(b"")
    assert _glob(folder, "t/*.parquet") == [str(folder.path("t/a.parquet"))]


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_folder("lake").uri == str(tmp_path / "lake")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("gs://bucket/lake", "only a folder or s3://BUCKET/PREFIX is a lake"),
        ("", "only a folder or s3://BUCKET/PREFIX is a lake"),
        ("s3://", "expected s3://BUCKET/PREFIX"),
        ("s3://Bucket_/lake", "expected s3://BUCKET/PREFIX"),
        ("s3://bucket/la?ke", "the prefix of letters, digits and ./=_-"),
        ("s3://bucket//lake", "expected s3://BUCKET/PREFIX"),
        ("s3://bucket/region=x/lake", "the folder 'region=x' for the column region"),
        ("file", "is a file; give a folder"),
        ("file/below", "is a file; give a folder"),
        ("back\\slash", "a folder with a backslash"),
        ("region=eu-west-1/lake", "the folder 'region=eu-west-1' for the column region"),
        ("Run_Id=1/lake", "for the column Run_Id"),
    ],
)
def test_a_place_that_can_be_no_lake_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, words: str
) -> None:
    """The refusal names the option and the value."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(StorageError) as refusal:
        open_lake(uri)
    assert str(refusal.value).startswith(f"--lake {uri!r}: ")
    assert words in str(refusal.value)


def test_a_lake_that_cannot_be_made_is_refused() -> None:
    """Under /proc nobody makes a folder, root neither."""
    folder = open_folder("/proc/imagelake/lake")
    with pytest.raises(StorageError, match=r"^--lake '/proc/imagelake/lake': cannot be written"):
        folder.make()


def _glob(folder: Folder, pattern: str) -> list[str]:
    found = duckdb.execute("select file from glob(?)", [folder.glob(pattern)]).fetchall()
    return [file for (file,) in found]


def test_a_moved_file_is_under_its_new_path_only(folder: Folder) -> None:
    """And the folder that this leaves empty goes."""
    folder.create(lambda: "a/b/pages", b"content")
    folder.create(lambda: "c/pages", b"older")
    folder.move("a/b/pages", "c/pages")
    assert list(folder.files("")) == [StoredFile("c/pages", 7)]
    assert folder.read("c/pages") == b"content"
    assert not folder.path("a").exists()
