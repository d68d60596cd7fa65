"""The one model of a run's parameters: flow parameters, TOML keys, environment and options are it.

A field `page_size` is the option `--page-size`, the key `page-size` or `page_size` of the file given
with `--config`, and the variable `IMAGELAKE_PAGE_SIZE`; its description is the help text everywhere.
"""

# No `from __future__ import annotations`: Prefect resolves a flow's annotations itself, and a
# pydantic parameter then breaks `serve()`.
import datetime
import json
import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from extract.request import Request
from schemas.api import FILTER_NAMES, IMAGE_VERSION_ARN, MAX_PAGE_SIZE, SELF, Owner

ENVIRONMENT_PREFIX: Final = "IMAGELAKE_"


class ParameterError(Exception):
    """A parameter is wrong; the message names the option and the value."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _own() -> list[Owner]:
    return [SELF]


Strings = Annotated[list[str], BeforeValidator(_as_list)]


AccountIds = Annotated[
    list[Annotated[str, Field(pattern=r"^[0-9]{12}$")]], BeforeValidator(_as_list)
]


class AccountParameters(BaseModel):
    """One account: the role to assume in it, and what differs from the other accounts."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role_arn: str = Field(description="The role to assume.")
    external_id: SecretStr | None = Field(None, description="The external id that it asks for.")
    region: Strings = Field(default_factory=list, description="Its regions (default: all's).")


class SnapshotParameters(BaseModel):
    """What to snapshot and where to put it."""

    model_config = ConfigDict(extra="forbid", validate_default=False, hide_input_in_errors=True)

    lake: str = Field("data/lake", description="The lake: a folder of Parquet.")
    warehouse: Path = Field(
        Path("data/imagelake.duckdb"), description="The DuckDB file of views over the lake."
    )
    date: datetime.date | None = Field(
        None, description="The date to file the snapshot under, YYYY-MM-DD (default: today, UTC)."
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
    concurrency: int = Field(16, ge=1, le=256, description="Calls under way at a time.")
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
                    f"{name!r} is no filter{_did_you_mean(name, FILTER_NAMES)}; the filters are "
                    + ", ".join(FILTER_NAMES)
                )
        return filters

    @model_validator(mode="after")
    def _one_list_for_one_token(self) -> "SnapshotParameters":
        if self.starting_token and self.owner != [SELF]:
            raise ValueError("--starting-token: a token goes on with owner Self only")
        if self.image_version_arn and len(self.owner) > 1:
            raise ValueError("--image-version-arn: one image has one owner; give --owner once")
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


def load_parameters(
    options: Mapping[str, Any], config: Path | None, environment: Mapping[str, str] = os.environ
) -> SnapshotParameters:
    """The parameters from options, which override the environment, which overrides the file.

    Raises ParameterError with one line that names the option and the value.
    """
    if config is None and (named := environment.get(f"{ENVIRONMENT_PREFIX}CONFIG")):
        config = Path(named)
    given = _from_file(config) if config else {}
    given |= _from_environment(environment) | dict(options)
    try:
        return SnapshotParameters(**given)
    except ValidationError as error:
        raise ParameterError(_one_line(error, given)) from None


def option_name(field: str) -> str:
    """The option of a field: `--page-size` of `page_size`."""
    return "--" + field.replace("_", "-")


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(
            f"--config {str(path)!r}: {error.strerror}; give a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"--config {str(path)!r}: no valid TOML: {error}") from None
    given = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in SnapshotParameters.model_fields:
            known = [field.replace("_", "-") for field in SnapshotParameters.model_fields]
            hint = _did_you_mean(key, known)
            raise ParameterError(f"--config {str(path)!r}: unknown key {key!r}{hint}")
        given[name] = _with_underscores(value)
    return given


def _with_underscores(value: Any) -> Any:
    """The value with the keys of its tables spelled as fields."""
    if isinstance(value, dict):
        return {key.replace("-", "_"): _with_underscores(member) for key, member in value.items()}
    return [_with_underscores(member) for member in value] if isinstance(value, list) else value


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, field in SnapshotParameters.model_fields.items():
        text = environment.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None:
            given[name] = _list_of(name, text) if field.default_factory else text
    return given


def _list_of(name: str, text: str) -> list[str]:
    """A repeatable option's values: a JSON list, or separated by commas (a filter: one)."""
    if text.startswith("["):
        try:
            values: list[str] = json.loads(text)
        except ValueError as error:
            variable = ENVIRONMENT_PREFIX + name.upper()
            raise ParameterError(f"{variable} {text!r}: no JSON list: {error}") from None
        return values
    return [text] if name == "filter" else [part for part in text.split(",") if part]


def _one_line(error: ValidationError, given: Mapping[str, Any]) -> str:
    """The first problem in words: the option, the value, what was expected."""
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    if name == "accounts":  # without the value: it may hold an external id
        where = " ".join(str(p + 1 if isinstance(p, int) else p) for p in problem["loc"][1:])
        return f"[[accounts]] {where}: {message[0].lower()}{message[1:]}"
    if name == "external_id":
        return f"{option_name(name)}: AWS asks for at least 2 characters"
    if name == "filter" and len(problem["loc"]) == 1:
        return f"{option_name(name)} {message}"
    value = given.get(name)
    if len(problem["loc"]) > 1 and isinstance(value, list):
        value = value[int(problem["loc"][1])]
    shown = value if isinstance(value, str) else json.dumps(value, default=str)
    message = _PLAINER.get(name, message)
    return f"{option_name(name)} {shown!r}: {message[0].lower()}{message[1:]}"


_PLAINER: Final = {
    "date": "not a date; expected YYYY-MM-DD",
    "include_account": "not an account; expected its 12 digits",
    "exclude_account": "not an account; expected its 12 digits",
    "organization_role": "not a role's name; expected the part after role/ of its ARN",
}


def _did_you_mean(word: str, known: "list[str] | tuple[str, ...]") -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
