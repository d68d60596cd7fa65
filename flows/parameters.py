"""The models of the commands' parameters: flow parameters, TOML keys, environment and options.

A field `page_size` is the option `--page-size`, the key `page-size` or `page_size` of the file given
with `--config`, and the variable `IMAGELAKE_PAGE_SIZE`; its description is the help text everywhere.
"""

# No `from __future__ import annotations`: Prefect resolves a flow's annotations itself, and a
# pydantic parameter then breaks `serve()`.
import datetime
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from extract.request import Request
from flows.places import expanded, local_path
from schemas.api import FILTER_NAMES, IMAGE_VERSION_ARN, MAX_PAGE_SIZE, SELF, Owner

ENVIRONMENT_PREFIX: Final = "IMAGELAKE_"
ACCOUNT_ID: Final = r"^[0-9]{12}$"
MOST_DAYS: Final = 36_500


class ParameterError(Exception):
    """A parameter is wrong; the message names the option and the value."""


def did_you_mean(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """A hint at the known word that is near, or nothing."""
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_path(value: Any) -> Any:
    """As text: of JSON pydantic makes a path of nothing else."""
    return str(local_path(value)) if isinstance(value, str | Path) else value


def _own() -> list[Owner]:
    return [SELF]


Strings = Annotated[list[str], BeforeValidator(_as_list)]
LocalPath = Annotated[Path, BeforeValidator(_as_path)]

AccountIds = Annotated[list[Annotated[str, Field(pattern=ACCOUNT_ID)]], BeforeValidator(_as_list)]


class AccountParameters(BaseModel):
    """One account: the role to assume in it, and what differs from the other accounts."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role_arn: str = Field(description="The role to assume.")
    external_id: SecretStr | None = Field(None, description="The external id that it asks for.")
    region: Strings = Field(default_factory=list, description="Its regions (default: all's).")


class LakeParameters(BaseModel):
    """Where the lake and its warehouse are, and how the lake is written."""

    model_config = ConfigDict(extra="forbid", validate_default=False, hide_input_in_errors=True)

    lake: Annotated[str, AfterValidator(expanded)] = Field(
        "data/lake", description="The lake: a folder, or s3://BUCKET/PREFIX."
    )
    warehouse: LocalPath = Field(
        Path("data/imagelake.duckdb"), description="The DuckDB file of views over the lake."
    )
    materialize: bool = Field(
        False,
        description="Build the warehouse of tables, which is read without the lake, in place of "
        "views.",
    )
    visibility_seconds: float | None = Field(
        None,
        gt=0,
        le=60,
        description="From a commit to its taking effect: above the time to write its record and the "
        "clocks' skew (default: 0.5, on S3 5).",
    )
    spool: LocalPath | None = Field(
        None,
        description="Where pages land and files are built for a lake on S3 (default: the user's "
        "cache folder).",
    )
    s3_sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, description="S3 encryption to ask for: AES256, aws:kms or aws:kms:dsse."
    )
    s3_kms_key: str | None = Field(None, description="The KMS key that S3 encrypts with.")
    s3_bucket_owner: str | None = Field(
        None, pattern=ACCOUNT_ID, description="The account that must own the bucket."
    )


class SnapshotParameters(LakeParameters):
    """What to snapshot and where to put it."""

    date: datetime.date | None = Field(
        None, description="The date to file the snapshot under (default: today, UTC)."
    )
    region: Strings = Field(
        default_factory=list,
        description="A region to read (repeatable); `all` for every enabled one (default: the "
        "session's).",
    )
    role_arn: Strings = Field(
        default_factory=list,
        description="A role to assume, each in an account to read (repeatable; default: the "
        "caller's own account).",
    )
    external_id: SecretStr | None = Field(
        None,
        min_length=2,
        description="The external id that the roles' trust policies ask for.",
    )
    organization_role: str | None = Field(
        None,
        pattern=r"^[\w+=,.@/-]+$",
        description="A role's name: read every active account of the AWS Organization by it.",
    )
    include_account: AccountIds = Field(
        default_factory=list, description="Read these accounts only (repeatable)."
    )
    exclude_account: AccountIds = Field(
        default_factory=list, description="Leave an account out (repeatable)."
    )
    exclude_region: Strings = Field(
        default_factory=list, description="Leave a region out (repeatable)."
    )
    accounts: list[AccountParameters] = Field(
        default_factory=list,
        description="Accounts with settings of their own: tables [[accounts]] in the file.",
    )
    image_version_arn: str | None = Field(
        None, description="Read the builds of this image version only."
    )
    filter: Strings = Field(
        default_factory=list,
        description="NAME=VALUE[,VALUE…] (repeatable): name, osVersion, platform, type or version.",
    )
    owner: Annotated[list[Owner], BeforeValidator(_as_list)] = Field(
        default_factory=_own,
        description="Whose images: Self, Shared, Amazon, ThirdParty, AWSMarketplace (repeatable).",
    )
    page_size: int | None = Field(
        None,
        ge=1,
        le=MAX_PAGE_SIZE,
        description="Builds a page (default: 100, or 25 where the service takes no more).",
    )
    max_items: int | None = Field(
        None, ge=1, description="Stop each target after so many builds; it ends truncated."
    )
    starting_token: str | None = Field(
        None, min_length=1, description="Go on where a truncated listing stopped: its resume token."
    )
    concurrency: int = Field(16, ge=1, le=256, description="Most calls under way at a time.")
    processes: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Processes that read the targets and share the calls (default: one, or one a core "
        "where the newest snapshot was large).",
    )
    dask_scheduler: str | None = Field(
        None,
        pattern=r"^(tcp|tls)://[^/\s]+:[0-9]+$",
        description="Read on the workers of the Dask scheduler at tcp://HOST:PORT (needs the extra "
        "`dask`, a Prefect API and a lake on S3).",
    )
    target_seconds: float = Field(
        900.0, gt=0, description="Read each target for so long at the most; it ends truncated."
    )
    run_seconds: float | None = Field(
        None, gt=0, description="Read all targets for so long at the most (default: no limit)."
    )
    resume: bool = Field(
        True,
        description="Go on where an earlier run of the date was cut off before it could commit.",
    )
    max_drop: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Refuse a snapshot where more than this part of a target's builds is gone.",
    )
    accept_drop: bool = Field(False, description="Take a snapshot however many builds are gone.")
    required_tag: Strings = Field(
        default_factory=list,
        description="A tag key that every build should carry, for the view tag_coverage "
        "(repeatable).",
    )
    demo: bool = Field(
        False, description="Read an embedded emulator instead of AWS: no account needed."
    )

    @field_validator("image_version_arn")
    @classmethod
    def _is_image_version_arn(cls, arn: str | None) -> str | None:
        if arn is not None and not re.fullmatch(IMAGE_VERSION_ARN, arn):
            raise ValueError(
                "not an image version's ARN; expected "
                "arn:aws:imagebuilder:REGION:ACCOUNT:image/NAME/1.0.0"
            )
        return arn

    @field_validator("filter")
    @classmethod
    def _are_filters(cls, filters: list[str]) -> list[str]:
        for text in filters:
            name, equals, values = text.partition("=")
            if not equals or not values.strip(","):
                raise ValueError(f"{text!r}: expected NAME=VALUE[,VALUE…]")
            if name not in FILTER_NAMES:
                raise ValueError(
                    f"{name!r} is no filter{did_you_mean(name, FILTER_NAMES)}; the filters are "
                    + ", ".join(FILTER_NAMES)
                )
        return filters

    @model_validator(mode="after")
    def _go_together(self) -> "SnapshotParameters":
        if self.starting_token and self.owner != [SELF]:
            raise ValueError("--starting-token: a token goes on with owner Self only")
        if self.image_version_arn and len(self.owner) > 1:
            raise ValueError("--image-version-arn: one image has one owner; give --owner once")
        if self.processes is not None and self.dask_scheduler is not None:
            raise ValueError("--processes: with --dask-scheduler its workers read; leave one out")
        return self

    def request(self) -> Request:
        """What is asked of every target."""
        parsed = (text.partition("=") for text in self.filter)
        return Request(
            image_version_arn=self.image_version_arn,
            filters=tuple((name, tuple(filter(None, v.split(",")))) for name, _, v in parsed),
            owners=tuple(dict.fromkeys(self.owner)),
            page_size=self.page_size,
            max_items=self.max_items,
            starting_token=self.starting_token,
        )

    def to_json(self) -> str:
        """The parameters as `snapshots.parameters` shows them: secrets are masked."""
        return self.model_dump_json(exclude_defaults=True)
