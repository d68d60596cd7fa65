"""A lake in a bucket of its own, and files for it."""

from pathlib import Path

import pytest

from lake.bucket import Bucket, open_bucket
from lake.storage import LakeSettings, StoredFile
from tests.aws import Moto
from tests.s3 import environment, new_bucket

QUICK = LakeSettings(visibility_seconds=1)
"""A call of a commit is given up after half of it."""


@pytest.fixture
def store(s3: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Moto:
    """The session's S3, with the AWS chain pointing at it and a spool of the test's own."""
    for name, value in environment(s3.url, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture
def bucket(store: Moto) -> Bucket:
    """A lake in a bucket of its own."""
    return open_bucket(f"s3://{new_bucket(store)}/some/lake", QUICK)


def put(bucket: Bucket, path: str, content: bytes) -> StoredFile:
    staged = bucket.stage(path)
    staged.write_bytes(content)
    return bucket.publish(staged, path)
