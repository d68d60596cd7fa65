"""What a bucket refuses is one error that says what to do; what it asks for goes with every call."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from lake.bucket import Bucket, open_bucket
from lake.storage import LakeSettings, StorageError
from tests.aws import Moto
from tests.s3 import Call, Proxy, client, environment, new_bucket, proxy

OWNER = "123456789012"
KEY_ARN = f"arn:aws:kms:eu-west-1:{OWNER}:key/1234abcd"


def publish(bucket: Bucket) -> None:
    staged = bucket.stage("t/part.parquet")
    staged.write_bytes(b"12345678")
    bucket.publish(staged, "t/part.parquet")


def copy(bucket: Bucket) -> None:
    with bucket.open("t/part.parquet"):
        pass


def fetch(bucket: Bucket) -> None:
    with bucket.fetched("t"):
        pass


def keep(bucket: Bucket) -> None:
    landing = bucket.working("_raw/x")
    landing.mkdir(parents=True, exist_ok=True)
    (landing / "pages-00000.arrows").write_bytes(b"pages")
    bucket.keep("_raw/x")


def lock(bucket: Bucket) -> None:
    with bucket.exclusively("commit"):
        pass


def give_up_uploads(bucket: Bucket) -> None:
    for leftover in bucket.leftovers():
        leftover.remove()


CALLS: dict[str, Callable[[Bucket], object]] = {
    "make": Bucket.make,
    "require_clock": Bucket.require_clock,
    "publish": publish,
    "create": lambda bucket: bucket.create(lambda: "c/record.json", b"{}"),
    "exclusively": lock,
    "read": lambda bucket: bucket.read("t/part.parquet"),
    "open": copy,
    "files": lambda bucket: list(bucket.files("")),
    "fetched": fetch,
    "keep": keep,
    "leftovers": give_up_uploads,
    "remove": lambda bucket: bucket.remove(["t/part.parquet"]),
}
"""Everything that a lake asks of its bucket."""


@pytest.fixture
def in_the_way(s3: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy in front of the session's S3, with the AWS chain pointing at it."""
    with proxy(s3.url) as running:
        for name, value in environment(running.url, tmp_path / "cache").items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def bucket(in_the_way: Proxy, s3: Moto) -> Bucket:
    """A lake in a bucket of its own, with one file and an upload that was never completed."""
    assert in_the_way.url
    lake = open_bucket(f"s3://{new_bucket(s3)}/lake", LakeSettings())
    for key in ("lake/t/part.parquet", "lake/_raw/x/pages-00001.arrows"):
        client(s3).put_object(Bucket=lake.name, Key=key, Body=b"12345678")
    client(s3).create_multipart_upload(Bucket=lake.name, Key="lake/t/large")
    return lake


def refused(bucket: Bucket, call: Callable[[Bucket], object]) -> str:
    """The words of the one error, in one line."""
    with pytest.raises(StorageError) as refusal:
        call(bucket)
    words = str(refusal.value)
    assert words.startswith(f"--lake '{bucket.uri}': ")
    assert "\n" not in words
    return words


@pytest.mark.parametrize(
    ("call", "code"),
    [
        *((call, "AccessDenied") for call in CALLS.values()),
        *((CALLS[name], "InvalidAccessKeyId") for name in ("make", "files")),
        *((CALLS[name], "ExpiredToken") for name in ("publish", "create")),
    ],
    ids=[*CALLS, "make by nobody", "files by nobody", "publish too late", "create too late"],
)
def test_a_refusal_is_one_error_that_says_what_to_allow(
    in_the_way: Proxy, bucket: Bucket, call: Callable[[Bucket], object], code: str
) -> None:
    """Whatever is asked for; a HEAD has no body, so its refusal has a status only."""
    in_the_way.trouble = lambda _: code
    words = refused(bucket, call)
    assert "; see that the bucket is there and allow s3:" in words
    is_head = all(asked.method == "HEAD" for asked in in_the_way.calls)
    assert ("403" if is_head else f"{code}: No.") in words


def test_a_refused_upload_in_parts_is_told_like_any_other(
    in_the_way: Proxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's transfers have an exception of their own."""
    monkeypatch.setattr("lake.bucket.SINGLE_UPLOAD_BYTES", 7)
    in_the_way.trouble = lambda _: "AccessDenied"
    words = refused(bucket, publish)
    assert words.endswith("AccessDenied: No.; see that the bucket is there and allow s3:PutObject")


@pytest.mark.parametrize("name", [name for name in CALLS if name != "open"])
def test_a_bucket_that_is_not_there_is_one_error(in_the_way: Proxy, name: str) -> None:
    """But for a HEAD, which does not say whether the object or all of the bucket is missing."""
    assert in_the_way.url
    lake = open_bucket(f"s3://none-{uuid4().hex}/lake", LakeSettings())
    words = refused(lake, CALLS[name])
    assert "see that the bucket is there" in words


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_without_credentials_it_says_to_sign_in(
    bucket: Bucket, call: Callable[[Bucket], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert refused(bucket, call) == (
        f"--lake '{bucket.uri}': no AWS credentials found; set AWS_PROFILE, or sign in"
    )


def test_one_object_that_cannot_be_removed_is_named(
    in_the_way: Proxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers a removal of many with what failed, and a status of success."""
    failed = (
        b"<DeleteResult><Error><Key>lake/t/x</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    )
    monkeypatch.setattr("tests.s3._forwarded", lambda *_: (200, [], failed))
    assert in_the_way.url
    with pytest.raises(
        StorageError, match=r"lake/t/x cannot be removed: AccessDenied; allow s3:Del"
    ):
        bucket.remove(["t/x"])


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_says_who_must_own_the_bucket_and_every_write_how_to_encrypt(
    in_the_way: Proxy,
    bucket: Bucket,
    call: Callable[[Bucket], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Uploads in parts say it where they begin, as the API has it."""
    monkeypatch.setattr("lake.bucket.SINGLE_UPLOAD_BYTES", 7)
    settings = LakeSettings(s3_sse="aws:kms", s3_kms_key=KEY_ARN, s3_bucket_owner=OWNER)
    call(open_bucket(bucket.uri, settings))
    assert in_the_way.calls
    for asked in in_the_way.calls:
        assert asked.headers["x-amz-expected-bucket-owner"] == OWNER
        encryption = (
            asked.headers.get("x-amz-server-side-encryption"),
            asked.headers.get("x-amz-server-side-encryption-aws-kms-key-id"),
        )
        assert encryption == (("aws:kms", KEY_ARN) if _begins_an_object(asked) else (None, None))


def _begins_an_object(call: Call) -> bool:
    query = parse_qs(urlsplit(call.path).query, keep_blank_values=True)
    return (call.method == "PUT" and "partNumber" not in query) or (
        call.method == "POST" and "uploads" in query
    )


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_off_is_refused(in_the_way: Proxy, bucket: Bucket, hours: int) -> None:
    """Commits by it would take effect too early for those who read, or too late."""
    in_the_way.ahead = timedelta(hours=hours)
    words = refused(bucket, Bucket.require_clock)
    said = re.search(r"this machine's clock is ([+-]\d+\.\d) s off", words)
    assert said
    assert float(said[1]) == pytest.approx(
        -3600 * hours, abs=30
    )  # in whole seconds, of a busy machine
    assert "commits bear 2.5 s: set the clock, or raise --visibility-seconds" in words


def test_a_right_clock_is_not(in_the_way: Proxy, bucket: Bucket) -> None:
    """Nor one that is off by less than the commits bear, whose settings say how much that is."""
    bucket.require_clock()
    in_the_way.ahead = timedelta(seconds=2)
    bucket.require_clock()
    patient = open_bucket(bucket.uri, LakeSettings(visibility_seconds=10_000))
    in_the_way.ahead = timedelta(hours=1)
    patient.require_clock()
