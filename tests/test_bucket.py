"""A lake in S3: objects are whole or not there, a created one stays, and a lost answer is told."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from lake.bucket import Bucket, open_bucket
from lake.commit import publish_record
from lake.records import commits
from lake.storage import LakeSettings, StoredFile, UnknownOutcomeError
from tests.aws import Moto
from tests.buckets import QUICK, bucket, put, store
from tests.s3 import Call, Proxy, Trouble, client, new_bucket, proxy, put_many
from tests.test_writer import DAY, RUN_ID

__all__ = ["bucket", "store"]  # fixtures are used by their names

MANY = 1005
"""More than S3 lists, or removes, at once."""


@pytest.fixture
def in_the_way(store: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of the store that the AWS chain points at."""
    with proxy(store.url) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", running.url)
        yield running


def keys(bucket: Bucket, store: Moto) -> list[str]:
    """Every key of the bucket, the lake's and others."""
    listed = client(store).list_objects_v2(Bucket=bucket.name)
    return [found["Key"] for found in listed.get("Contents", ())]


def test_a_file_shows_only_once_published(bucket: Bucket, store: Moto) -> None:
    """What is being built is in the spool; then it is whole below the lake's prefix."""
    staged = bucket.stage("t/part.parquet")
    staged.write_bytes(b"half")
    assert list(bucket.files("")) == []

    staged.write_bytes(b"whole")
    assert bucket.publish(staged, "t/part.parquet") == StoredFile("t/part.parquet", 5)
    assert list(bucket.files("t")) == [StoredFile("t/part.parquet", 5)]
    assert keys(bucket, store) == ["some/lake/t/part.parquet"]
    assert bucket.read("t/part.parquet") == b"whole"
    with bucket.open("t/part.parquet") as file:
        file.seek(2)
        assert file.read() == b"ole"
    with bucket.fetched("t") as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            "part.parquet": b"whole"
        }
    assert [path for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*") if path.is_file()] == []


def test_a_moved_file_is_under_its_new_path_only(bucket: Bucket) -> None:
    put(bucket, "a/pages", b"content")
    put(bucket, "c/pages", b"older")
    bucket.move("a/pages", "c/pages")
    assert list(bucket.files("")) == [StoredFile("c/pages", 7)]
    assert bucket.read("c/pages") == b"content"
    with pytest.raises(FileNotFoundError):
        bucket.move("a/pages", "d/pages")


def test_a_copied_file_is_under_both_paths(bucket: Bucket) -> None:
    put(bucket, "a/part", b"content")
    bucket.copy("a/part", "b/part")
    assert list(bucket.files("")) == [StoredFile("a/part", 7), StoredFile("b/part", 7)]
    assert bucket.read("b/part") == b"content"
    with pytest.raises(FileNotFoundError):
        bucket.copy("c/part", "d/part")


def test_a_move_asks_for_the_owner_and_encrypts_as_every_write(
    store: Moto, in_the_way: Proxy
) -> None:
    settings = LakeSettings(s3_sse="AES256", s3_bucket_owner="123456789012")
    owned = open_bucket(f"s3://{new_bucket(store)}/lake", settings)
    put(owned, "a/pages", b"content")
    owned.move("a/pages", "c/pages")
    (copy,) = [call for call in in_the_way.calls if "x-amz-copy-source" in call.headers]
    assert copy.headers["x-amz-expected-bucket-owner"] == "123456789012"
    assert copy.headers["x-amz-source-expected-bucket-owner"] == "123456789012"
    assert copy.headers["x-amz-server-side-encryption"] == "AES256"


def test_a_lake_may_be_a_whole_bucket(store: Moto) -> None:
    bucket = open_bucket(f"s3://{new_bucket(store)}", QUICK)
    put(bucket, "t/a", b"1")
    assert list(bucket.files("")) == list(bucket.files("t")) == [StoredFile("t/a", 1)]
    assert keys(bucket, store) == ["t/a"]


def test_a_file_that_is_not_there_is_told_as_on_a_disk(bucket: Bucket) -> None:
    with pytest.raises(FileNotFoundError, match="some/lake/t/nothing"):
        bucket.read("t/nothing")
    with pytest.raises(FileNotFoundError, match="some/lake/t/nothing"), bucket.open("t/nothing"):
        pass
    bucket.remove(["t/nothing"])
    assert list(bucket.files("t")) == []


def test_a_created_file_is_never_replaced(bucket: Bucket) -> None:
    bucket.create(lambda: "c/record.json", b"first")
    with pytest.raises(FileExistsError):
        bucket.create(lambda: "c/record.json", b"second")
    assert bucket.read("c/record.json") == b"first"


def test_one_of_many_creators_wins(bucket: Bucket) -> None:
    """In each of twenty rounds of eight; the others are told, and what is there is the winner's."""
    bucket.create(lambda: "c/warm", b"")  # threads share the client once it is made

    def create(path: str, number: int) -> bool:
        try:
            bucket.create(lambda: path, b"%d" % number * 1000)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            path = f"c/{uuid4().hex}"
            won = list(pool.map(create, [path] * 8, range(8)))
            assert sum(won) == 1
            assert bucket.read(path) == b"%d" % won.index(True) * 1000


def to_records(*troubles: str | int) -> Trouble:
    """These troubles, one after the other, for the creation of commit records."""
    left = list(troubles)

    def trouble(call: Call) -> str | int | None:
        if call.method == "PUT" and "/_commits/" in call.path and left:
            return left.pop(0)
        return None

    return trouble


@pytest.mark.parametrize("trouble", ["hang", "break", "break after", 500, 503])
def test_a_creation_whose_answer_never_came_may_have_been_one(
    in_the_way: Proxy, bucket: Bucket, trouble: str | int
) -> None:
    """Asked once: the name that it was given would not hold for a second try."""
    in_the_way.trouble = to_records(trouble, trouble)
    with pytest.raises(UnknownOutcomeError):
        bucket.create(lambda: "_commits/x.json", b"{}")
    puts = [call for call in in_the_way.calls if call.method == "PUT"]
    assert [call.path.rpartition("/")[2] for call in puts] == ["x.json"]


def test_a_creation_that_reached_nobody_is_told_as_one_of_unknown_outcome(
    store: Moto, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its record is published anew rather than the whole run lost to one refused connection."""
    assert store.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(UnknownOutcomeError):
        bucket.create(lambda: "_commits/x.json", b"{}")


@pytest.mark.parametrize(
    ("troubles", "records"),
    [(("hang", "break", 503), 1), (("break after", "break after"), 3)],
    ids=["none arrived", "each arrived"],
)
def test_a_record_is_published_again_until_its_outcome_is_known(
    in_the_way: Proxy, bucket: Bucket, troubles: tuple[str | int, ...], records: int
) -> None:
    """Each try has a name of its own; several records of a run are harmless."""
    in_the_way.trouble = to_records(*troubles)
    last = publish_record(bucket, DAY, RUN_ID, {"n": 1})
    found = list(commits(bucket))
    assert len(found) == records
    assert found[-1] == last
    assert {(c.snapshot_date, c.run_id) for c in found} == {(DAY, RUN_ID)}
    assert len({c.effective_at_ms for c in found}) == records
    puts = [call for call in in_the_way.calls if call.method == "PUT"]
    assert len(puts) == len(troubles) + 1


@pytest.mark.slow
def test_more_files_than_one_answer_holds_are_listed_and_removed(
    bucket: Bucket, store: Moto
) -> None:
    paths = [f"t/{number:05}" for number in range(MANY)]
    put_many(store, bucket.name, [f"some/lake/{path}" for path in [*paths, "other/stays"]])
    assert list(bucket.files("t")) == [StoredFile(path, 1) for path in paths]
    bucket.remove(paths)
    assert list(bucket.files("")) == [StoredFile("other/stays", 1)]


def test_a_large_file_goes_up_in_parts_and_arrives_whole(
    in_the_way: Proxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lake.bucket.SINGLE_UPLOAD_BYTES", 6 << 20)
    content = os.urandom(12 << 20)
    assert put(bucket, "t/large", content) == StoredFile("t/large", 12 << 20)
    assert bucket.read("t/large") == content
    parts = [call for call in in_the_way.calls if "partNumber" in call.path]
    assert len(parts) == 2
    assert list(bucket.leftovers()) == []
