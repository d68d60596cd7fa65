"""A lock in a bucket: one holder at a time, for as long as it lives, and not much longer."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from lake.bucket import Bucket, open_bucket
from lake.lease import Lease, LeaseError
from lake.storage import LakeSettings, StorageError
from tests.aws import Moto
from tests.s3 import Call, client, environment, new_bucket, proxy

LEASE_SECONDS = 2.0
"""Long enough for a busy machine to renew in time, and for the whole seconds that a store tells."""
HOLD = """
import sys
from lake.bucket import open_bucket
from lake.lease import Lease
from lake.storage import LakeSettings
bucket = open_bucket(sys.argv[1], LakeSettings())
with Lease(bucket.store, sys.argv[2]).held():
    print("held", flush=True)
    sys.stdin.read()
"""
KEY = "lake/_locks/commit"
NewLease = Callable[[], Lease]


@pytest.fixture
def bucket(s3: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    """A lake in a bucket of its own; whoever waits for a lock looks often."""
    for name, value in environment(s3.url, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("lake.lease._POLL_SECONDS", 0.02)
    return open_bucket(f"s3://{new_bucket(s3)}/lake", LakeSettings())


@pytest.fixture
def new_lease(bucket: Bucket) -> NewLease:
    """Makes a process's own lease; all are of the same key."""
    return lambda: Lease(bucket.store, KEY, LEASE_SECONDS)


def locks(s3: Moto, bucket: Bucket) -> list[Any]:
    listed = client(s3).list_objects_v2(Bucket=bucket.name)
    return [found["Key"] for found in listed.get("Contents", ())]


def test_one_at_a_time_holds_it(s3: Moto, bucket: Bucket) -> None:
    """The others wait, and each gets its turn; the last one leaves no lock behind."""
    inside: list[int] = []
    most: list[int] = []

    def hold(number: int) -> None:
        with bucket.exclusively("commit") as require_held:
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.05)
            require_held()
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(6)))
    assert most == [1] * 6
    assert locks(s3, bucket) == []


def test_locks_of_other_names_are_not_waited_for(bucket: Bucket) -> None:
    with bucket.exclusively("maintain"), bucket.exclusively("commit"):
        pass


def test_whoever_waits_too_long_gives_up(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lake.lease.WAIT_SECONDS", 0.1)
    words = rf"^--lake '{bucket.uri}': {bucket.uri}/_locks/commit is held by another process"
    with (
        bucket.exclusively("commit"),
        pytest.raises(StorageError, match=words),
        bucket.exclusively("commit"),
    ):
        pass


def test_a_block_that_fails_gives_it_back(s3: Moto, bucket: Bucket) -> None:
    def fail() -> None:
        with bucket.exclusively("commit"):
            assert locks(s3, bucket) == ["lake/_locks/commit"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert locks(s3, bucket) == []


@pytest.mark.slow
def test_a_killed_holders_is_taken_over(bucket: Bucket, new_lease: NewLease) -> None:
    """By one of those who wait, once it was not renewed for so long; then by the next."""
    command = [sys.executable, "-c", HOLD, bucket.uri, KEY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    began = time.monotonic()
    inside: list[int] = []
    most: list[int] = []

    def hold(number: int) -> None:
        with new_lease().held() as require_held:
            inside.append(number)
            most.append(len(inside))
            require_held()
            inside.remove(number)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(hold, range(3)))
    assert most == [1, 1, 1]
    assert time.monotonic() - began > LEASE_SECONDS - 1


@pytest.mark.slow
def test_a_living_holders_is_not(new_lease: NewLease) -> None:
    """It renews the lease for as long as it takes, here for more than twice its length."""
    released = Event()

    def wait() -> bool:
        with new_lease().held():
            return released.is_set()

    with ThreadPoolExecutor(1) as pool:
        with new_lease().held() as require_held:
            waiting = pool.submit(wait)
            time.sleep(2.5 * LEASE_SECONDS)
            require_held()
            assert not waiting.done()
            released.set()
        assert waiting.result()


def test_whoever_lost_it_is_told(s3: Moto, bucket: Bucket, new_lease: NewLease) -> None:
    """And leaves alone what is another's by now."""
    with new_lease().held() as require_held:
        client(s3).put_object(Bucket=bucket.name, Key=KEY, Body=b"another's")
        time.sleep(LEASE_SECONDS)
        with pytest.raises(LeaseError, match=rf"s3://{bucket.name}/{KEY} was lost to a pause"):
            require_held()
    assert client(s3).get_object(Bucket=bucket.name, Key=KEY)["Body"].read() == b"another's"


def losing(*numbers: int) -> Callable[[Call], str | None]:
    """Has the store do every PUT and loses the answers of these, counted from 1."""
    puts: list[str] = []

    def trouble(call: Call) -> str | None:
        if call.method != "PUT":
            return None
        puts.append(call.path)
        return "break after" if len(puts) in numbers else None

    return trouble


def test_a_renewal_whose_answer_was_lost_was_one_all_the_same(
    s3: Moto, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK repeats it, which the first try of it then refuses: the lease is held on."""
    with proxy(s3.url) as in_the_way:
        in_the_way.trouble = losing(2)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", in_the_way.url)
        behind = open_bucket(f"{bucket.uri}/behind", LakeSettings())
        with Lease(behind.store, KEY, LEASE_SECONDS).held() as require_held:
            time.sleep(1.5 * LEASE_SECONDS)
            require_held()
        assert locks(s3, bucket) == []
        assert [call.method for call in in_the_way.calls].count("GET") == 1


def test_a_lease_that_was_got_without_an_answer_is_held_at_once(
    s3: Moto, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not waited for until it runs out."""
    monkeypatch.setattr("lake.lease.WAIT_SECONDS", 1.0)
    with proxy(s3.url) as in_the_way:
        in_the_way.trouble = losing(1)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", in_the_way.url)
        behind = open_bucket(f"{bucket.uri}/behind", LakeSettings())
        with Lease(behind.store, KEY).held() as require_held:
            require_held()
        assert locks(s3, bucket) == []


def test_a_lock_that_was_lost_fails_the_block_in_the_lakes_words(bucket: Bucket) -> None:
    """As commit and maintain get it."""
    with (
        pytest.raises(StorageError, match=rf"^--lake '{bucket.uri}': .* was lost to a pause"),
        bucket.exclusively("commit"),
    ):
        raise LeaseError(f"{bucket.uri}/_locks/commit was lost to a pause; run again")
