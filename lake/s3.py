"""Calls to one bucket of S3: clients, what every call is given, and the SDK's errors in words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from lake.storage import LakeSettings, StorageError
from lake.waits import waits
from schemas import __version__

NO_CREDENTIALS: Final = "--lake {uri!r}: no AWS credentials found; set AWS_PROFILE, or sign in"
MISSING: Final = {"NoSuchKey", "404", "NotFound"}
"""The codes of an object that is not there."""
ATTEMPTS: Final = 6
"""With what `legacy` waits between them, 16 s by its mean and 31 at the most: 0 to 1 s, 0 to 2, and
so on to 16. `standard` begins at 0 to 0.05 s, and all calls of a client together have 35 retries."""
CONNECT_SECONDS: Final = 5.0
"""So that an address where nobody answers is given up within a minute."""
REMOVED_AT_ONCE: Final = 1000  # S3's limit for one DeleteObjects
_PASSING: Final = {"InternalError", "SlowDown", "ServiceUnavailable"}
"""What S3 says of one object of a DeleteObjects that it may remove a moment later."""


@dataclass(frozen=True)
class Access:
    """Credentials, region and endpoint for a bucket; they never show in a representation."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str
    endpoint: str


@dataclass(frozen=True)
class Store:
    """A bucket as it is called; `uri` is the lake's, for what is said to a person.

    `hurry_seconds` bounds each call of the `hurried` client.
    """

    bucket: str
    uri: str
    settings: LakeSettings
    hurry_seconds: float

    def access(self) -> Access:
        """What another client of the bucket needs. Raises StorageError where nobody is signed in."""
        found = self._session.get_credentials()
        if found is None:
            raise StorageError(NO_CREDENTIALS.format(uri=self.uri))
        credentials = found.get_frozen_credentials()
        region = self.client.meta.region_name
        with suppress(ClientError):  # a role that may list the prefix only may not ask for it
            answer = self.client.head_bucket(Bucket=self.bucket, **self.owner)
            region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region") or region
        return Access(
            credentials.access_key,
            credentials.secret_key,
            credentials.token or "",
            region,
            self.client.meta.endpoint_url,
        )

    @cached_property
    def _session(self) -> Any:
        try:
            return boto3.session.Session()
        except ProfileNotFound as error:
            raise StorageError(f"--lake {self.uri!r}: {error}") from error

    @property
    def client(self) -> Any:
        """An S3 client of the standard AWS chain; its credentials are those of its first use."""
        return self._clients[0]

    @property
    def hurried(self) -> Any:
        """For commit records, which must be shown well before they take effect: one try, briefly."""
        return self._clients[1]

    @cached_property
    def _clients(self) -> tuple[Any, Any]:
        """Made together, so that both have the endpoint of the environment as it was then."""
        seconds = self.hurry_seconds
        once = Config(
            retries={"total_max_attempts": 1}, connect_timeout=seconds, read_timeout=seconds
        )
        retried = Config(
            retries={"total_max_attempts": ATTEMPTS, "mode": "legacy"},
            connect_timeout=CONNECT_SECONDS,
        )
        return self._client(retried), self._client(once)

    def _client(self, config: Config) -> Any:
        try:
            return self._session.client(
                "s3",
                # boto3 knows AWS_DEFAULT_REGION only; the other SDKs and Lambda set AWS_REGION
                region_name=self._session.region_name or os.environ.get("AWS_REGION"),
                config=config.merge(Config(user_agent_extra=f"imagelake/{__version__}")),
            )
        except ValueError as error:  # botocore's own for an endpoint that is no URL
            raise StorageError(f"--lake {self.uri!r}: AWS_ENDPOINT_URL_S3: {error}") from error

    @property
    def owner(self) -> dict[str, Any]:
        """What every call takes: who must own the bucket."""
        owner = self.settings.s3_bucket_owner
        return {"ExpectedBucketOwner": owner} if owner else {}

    @property
    def written(self) -> dict[str, Any]:
        """What every write takes: besides that, how S3 is to encrypt."""
        given = {
            "ServerSideEncryption": self.settings.s3_sse,
            "SSEKMSKeyId": self.settings.s3_kms_key,
        }
        return {**self.owner, **{name: value for name, value in given.items() if value}}

    def copy(self, key: str, to: str) -> None:
        """Has S3 make a copy of an object of up to 5 GB."""
        owner = self.settings.s3_bucket_owner
        self.client.copy_object(
            Bucket=self.bucket,
            Key=to,
            CopySource={"Bucket": self.bucket, "Key": key},
            **({"ExpectedSourceBucketOwner": owner} if owner else {}),
            **self.written,
        )

    def remove(self, keys: Sequence[str]) -> None:
        """Removes objects, a thousand at a time, in the order given.

        Raises StorageError where one is refused, OSError where S3 cannot remove it for too long.
        """
        for first in range(0, len(keys), REMOVED_AT_ONCE):
            left = keys[first : first + REMOVED_AT_ONCE]
            between = waits()
            while failures := self._failures(left):
                left = [failed["Key"] for failed in failures]
                if next(between, None) is None:
                    code, key = failures[0]["Code"], left[0]
                    raise OSError(f"{self.uri}: {key} cannot be removed: {code}; try again later")

    def _failures(self, keys: Sequence[str]) -> list[dict[str, str]]:
        """Asks to remove objects: those that may be asked again. Raises StorageError for another.

        The SDK repeats none: the status of such an answer is that of success.
        """
        batch = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self.client.delete_objects(Bucket=self.bucket, Delete=batch, **self.owner)
        failures: list[dict[str, str]] = answer.get("Errors", [])
        for failed in failures:
            if (code := failed.get("Code", "?")) not in _PASSING:
                hint = "; allow s3:DeleteObject" if code == "AccessDenied" else ""
                said = f"{code}: {failed['Message']}" if failed.get("Message") else code
                raise StorageError(f"{self.uri}: {failed['Key']} cannot be removed: {said}{hint}")
        return failures

    @contextmanager
    def told(self, what: str, permission: str, path: str = "") -> Iterator[None]:
        """Raises the SDK's errors as the lake's: a refusal says what to allow."""
        try:
            yield
        except ClientError as error:
            raise self._of_call(error, what, permission, path) from error
        except Boto3Error as error:  # of a transfer: it wraps the refusal of a call
            if not isinstance(error.__context__, ClientError):
                raise OSError(f"{self.uri} {what}: {error}") from error
            raise self._of_call(error.__context__, what, permission, path) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise StorageError(NO_CREDENTIALS.format(uri=self.uri)) from error
        except BotoCoreError as error:
            raise OSError(f"{self.uri} {what}: {error}") from error

    def _of_call(self, error: ClientError, what: str, permission: str, path: str) -> Exception:
        """A refusal says what to allow; an object that is not there, or a failure, is the system's."""
        found = error.response["Error"]
        code, message = found.get("Code", "?"), found.get("Message", "")
        if code in MISSING and path:
            return FileNotFoundError(f"{self.uri}/{path}")
        if status_of(error) >= 500:
            return OSError(f"{self.uri} {what}: {error}")
        return StorageError(
            f"--lake {self.uri!r}: {what}: {code}: {message}; see that the bucket is there and "
            f"allow {permission}"
        )


def status_of(error: ClientError) -> int:
    """The HTTP status of a refused call; 0 where there was no answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
