"""What a lake in S3 keeps on this machine is the user's alone, and what is left over is found."""

import os
import stat
import time
from pathlib import Path
from shutil import rmtree

import pytest

from lake.bucket import Bucket, open_bucket
from lake.spool import Spool
from lake.storage import StorageError
from tests.aws import Moto
from tests.buckets import QUICK, bucket, put, store
from tests.s3 import client

__all__ = ["bucket", "store"]  # fixtures are used by their names


def test_what_was_left_unfinished_is_found_and_can_be_removed(bucket: Bucket, store: Moto) -> None:
    """Uploads in parts, files that were being built, and pages that were landing."""
    for key in ("some/lake/image_amis/large", "some/lake/theirs/large", "another/lake"):
        client(store).create_multipart_upload(Bucket=bucket.name, Key=key)
    staged = bucket.stage("t/part.parquet")
    staged.write_bytes(b"half")
    landing = bucket.working("_raw/snapshot_date=2025-11-20/run_id=1")
    landing.mkdir(parents=True)
    (landing / "pages-00000.arrows").write_bytes(b"pages")
    other = open_bucket(f"s3://{bucket.name}/another", QUICK)
    other.stage("t/part.parquet").write_bytes(b"another lake's")

    left = {leftover.path: leftover for leftover in bucket.leftovers()}
    assert {path: leftover.size_bytes for path, leftover in left.items()} == {
        f"s3://{bucket.name}/some/lake/image_amis/large (an upload in parts)": 0,
        str(staged): 4,
        str(landing): 5,
    }
    assert all(leftover.modified_at > 1e9 for leftover in left.values())
    for leftover in left.values():
        leftover.remove()
    assert list(bucket.leftovers()) == []
    assert len(list(other.leftovers())) == 1


def test_a_folder_that_is_being_fetched_into_is_not_left_over(bucket: Bucket) -> None:
    """Even before the first file is there."""
    began = time.time()
    put(bucket, "t/part.parquet", b"rows")
    with bucket.fetched("t") as directory:
        for path in directory.iterdir():
            path.unlink()
        (found,) = (left for left in bucket.leftovers() if left.path == str(directory))
        assert found.modified_at >= began - 2


def test_a_user_without_a_home_is_told_to_give_a_spool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A container's user may have neither a name nor HOME."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31)
    with pytest.raises(StorageError, match=r"^--spool: the home folder is not known"):
        Spool.of("s3://bucket/lake", None)
    assert Spool.of("s3://bucket/lake", tmp_path).root.parent == tmp_path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("does", ["make", "stage", "fetched"])
def test_the_spool_is_the_user_s_alone(bucket: Bucket, tmp_path: Path, does: str) -> None:
    """Whatever the umask, and where an earlier version left it open."""
    root = bucket.working("")
    assert root.is_relative_to(tmp_path)
    root.mkdir(mode=0o755, parents=True)
    before = os.umask(0)
    try:
        _use(bucket, does)
        assert mode_of(root) == 0o700
        rmtree(root)
        _use(bucket, does)
    finally:
        os.umask(before)
    assert mode_of(root) == 0o700


def _use(bucket: Bucket, does: str) -> None:
    if does == "make":
        bucket.make()
    elif does == "stage":
        bucket.stage("image_builds/x.parquet")
    else:
        with bucket.fetched("_raw"):
            pass


@pytest.mark.parametrize("does", ["make", "stage", "fetched"])
def test_a_link_in_the_place_of_the_spool_is_refused(
    bucket: Bucket, tmp_path: Path, does: str
) -> None:
    """As another user could make one in a folder that all may write: the name can be told."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    root = bucket.working("")
    root.parent.mkdir(parents=True)
    root.symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is a link, or another user's: remove it"):
        _use(bucket, does)
    assert (list(elsewhere.iterdir()), mode_of(elsewhere)) == ([], 0o755)


def test_a_copy_that_a_killed_process_had_fetched_is_left_over_too(bucket: Bucket) -> None:
    """`rebuild` fetches the raw pages of a whole run."""
    put(bucket, "t/pages-00000.arrows", b"pages")
    with bucket.fetched("t") as folder:
        (left,) = bucket.leftovers()
        assert (left.path, left.size_bytes) == (str(folder), 5)
        left.remove()
        assert not folder.exists()
