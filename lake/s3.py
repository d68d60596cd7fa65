"""Calls to one bucket of S3: clients, what every call is given, and the SDK's errors in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from lake.storage import LakeSettings, StorageError
from schemas import __version__

NO_CREDENTIALS: Final = "--lake {uri!r}: no AWS credentials found; set AWS_PROFILE, or sign in"
MISSING: Final = {"NoSuchKey", "404", "NotFound"}
"""The codes of an object that is not there."""


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
        with self.told("cannot be read", "s3:ListBucket"):
            answer = self.client.head_bucket(Bucket=self.bucket, **self.owner)
        region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        return Access(
            credentials.access_key,
            credentials.secret_key,
            credentials.token or "",
            region or self.client.meta.region_name,
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
        retried = Config(retries={"total_max_attempts": 5, "mode": "standard"})
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

    @contextmanager
    def told(self, what: str, permission: str, path: str = "") -> Iterator[None]:
        """Raises the SDK's errors as the lake's: a refusal says what to allow."""
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING and path:
                raise FileNotFoundError(f"{self.uri}/{path}") from error
            if status_of(error) >= 500:
                raise OSError(f"{self.uri} {what}: {error}") from error
            raise self.refusal(what, permission, error) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise StorageError(NO_CREDENTIALS.format(uri=self.uri)) from error
        except BotoCoreError as error:
            raise OSError(f"{self.uri} {what}: {error}") from error

    def refusal(self, what: str, permission: str, error: ClientError) -> StorageError:
        """A refused call as the lake's error, with what to allow."""
        found = error.response["Error"]
        code, message = found.get("Code", "?"), found.get("Message", "")
        return StorageError(
            f"--lake {self.uri!r}: {what}: {code}: {message}; see that the bucket is there and "
            f"allow {permission}"
        )


def status_of(error: ClientError) -> int:
    """The HTTP status of a refused call; 0 where there was no answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
