"""What S3 cannot do for a second is asked again for a time, and then given up in words of its own."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lake.bucket import Bucket
from lake.commit import CommitError, publish_record
from lake.records import commits
from lake.storage import StorageError
from tests.aws import Moto
from tests.buckets import bucket, put, store
from tests.s3 import Call, Proxy, Trouble, proxy
from tests.test_writer import DAY, RUN_ID

__all__ = ["bucket", "store"]  # fixtures are used by their names


@pytest.fixture
def in_the_way(store: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of the store that the AWS chain points at."""
    with proxy(store.url) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", running.url)
        yield running


def away(seconds: float, concerns: Callable[[Call], bool] = lambda _: True) -> Trouble:
    """A 503 for every call that it concerns, for so long from the first of them on."""
    first_at: list[float] = []

    def trouble(call: Call) -> int | None:
        if not concerns(call):
            return None
        first_at.append(time.monotonic())
        return 503 if first_at[-1] - first_at[0] < seconds else None

    return trouble


def is_of_record(call: Call) -> bool:
    return call.method == "PUT" and "/_commits/" in call.path


def test_files_are_written_read_and_listed_once_s3_is_back(
    in_the_way: Proxy, bucket: Bucket
) -> None:
    """Several at a time, as a run has them: none takes another's tries away."""
    for number in range(8):
        put(bucket, f"there/{number}", b"1")
    in_the_way.trouble = away(1)
    with ThreadPoolExecutor(18) as pool:
        written = [pool.submit(put, bucket, f"new/{number}", b"1") for number in range(8)]
        read = [pool.submit(bucket.read, f"there/{number}") for number in range(8)]
        listed = pool.submit(lambda: list(bucket.files("there")))
    assert [done.result().path for done in written] == [f"new/{number}" for number in range(8)]
    assert [done.result() for done in read] == [b"1"] * 8
    assert len(listed.result()) == 8


def test_s3_that_is_away_for_good_is_given_up(
    in_the_way: Proxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lake.s3.ATTEMPTS", 2)
    in_the_way.trouble = away(60)
    with pytest.raises(OSError, match=f"^{re.escape(bucket.uri)} cannot be read: .*InternalError"):
        bucket.read("t/part")
    assert len(in_the_way.calls) == 2


def test_a_commits_record_is_published_once_s3_is_back(in_the_way: Proxy, bucket: Bucket) -> None:
    """Stamped anew each time, so that it takes effect after its publishing, and there once."""
    in_the_way.trouble = away(1, is_of_record)
    record = publish_record(bucket, DAY, RUN_ID, {"n": 1})
    assert list(commits(bucket)) == [record]
    tries = [call.path for call in in_the_way.calls if is_of_record(call)]
    assert 3 <= len(tries) == len(set(tries)) <= 8


def test_a_record_that_cannot_be_published_is_given_up_in_time(
    in_the_way: Proxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lake.waits.TOTAL_SECONDS", 0.8)
    in_the_way.trouble = away(60, is_of_record)
    with pytest.raises(CommitError, match=f"^run {RUN_ID}: whether its record was published"):
        publish_record(bucket, DAY, RUN_ID, {"n": 1})
    assert 2 <= len([call for call in in_the_way.calls if is_of_record(call)]) <= 5


@pytest.fixture
def removing(in_the_way: Proxy, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[bytes]]:
    """For the next removals, what each leaves and why, as XML; and the bodies of those asked."""
    answers: list[str] = []
    asked: list[bytes] = []

    def forwarded(_: str, __: Call, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        asked.append(body)
        left = answers.pop(0) if len(answers) > 1 else answers[0]
        return 200, [], f"<DeleteResult>{left}</DeleteResult>".encode()

    assert in_the_way.url
    monkeypatch.setattr("tests.s3._forwarded", forwarded)
    return answers, asked


def failed(name: str, code: str) -> str:
    return f"<Error><Key>some/lake/{name}</Key><Code>{code}</Code><Message>No.</Message></Error>"


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ServiceUnavailable"])
def test_what_s3_could_not_remove_at_the_moment_is_asked_for_again(
    bucket: Bucket, removing: tuple[list[str], list[bytes]], code: str
) -> None:
    """That alone: what was removed is not."""
    answers, asked = removing
    answers += [failed("b", code) + failed("c", code), failed("c", code), ""]
    bucket.remove(["a", "b", "c"])
    keys = [re.findall(rb"<Key>some/lake/(\w)</Key>", body) for body in asked]
    assert keys == [[b"a", b"b", b"c"], [b"b", b"c"], [b"c"]]


def test_what_s3_goes_on_not_to_remove_is_given_up_in_time(
    bucket: Bucket, removing: tuple[list[str], list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no permission that is missing."""
    monkeypatch.setattr("lake.waits.TOTAL_SECONDS", 0.3)
    answers, asked = removing
    answers += [failed("a", "SlowDown")]
    with pytest.raises(OSError, match=r"some/lake/a cannot be removed: SlowDown; try again later$"):
        bucket.remove(["a"])
    assert 2 <= len(asked) <= 3


@pytest.mark.parametrize(
    ("code", "told"),
    [("AccessDenied", "No.; allow s3:DeleteObject"), ("ObjectLocked", "No.")],
)
def test_a_removal_that_is_refused_is_asked_for_once(
    bucket: Bucket, removing: tuple[list[str], list[bytes]], code: str, told: str
) -> None:
    """A permission is named where it is missing."""
    answers, asked = removing
    answers += [failed("a", "SlowDown") + failed("b", code)]
    with pytest.raises(StorageError, match=f"some/lake/b cannot be removed: {code}: {told}$"):
        bucket.remove(["a", "b"])
    assert len(asked) == 1
