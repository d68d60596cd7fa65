"""Parameters from the command line, the environment and a TOML file, and what is wrong in words.

A field `page_size` is the option `--page-size`, the key `page-size` or `page_size` of the file given
with `--config`, and the variable `IMAGELAKE_PAGE_SIZE`; its description is the help text everywhere.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from flows.parameters import (
    ENVIRONMENT_PREFIX,
    AccountParameters,
    LakeParameters,
    ParameterError,
    SnapshotParameters,
    did_you_mean,
)
from flows.places import local_path
from flows.upkeep_parameters import MaintainParameters, RebuildParameters

Model = TypeVar("Model", bound=LakeParameters)

_KEYS: Final = {
    name: None
    for model in (SnapshotParameters, RebuildParameters, MaintainParameters)
    for name in model.model_fields
}
"""Every key that a file of parameters may have."""
_VARIABLES: Final = [
    ENVIRONMENT_PREFIX + name.upper()
    for name in (*_KEYS, "config", "cron", "maintain_cron", "timezone", "no_external")
]
_MISSPELLED: Final = 0.9
"""A variable as near as this to a setting's is meant to be it; others are for other programs."""


def load_parameters(
    model: type[Model],
    options: Mapping[str, Any],
    config: Path | None,
    environment: Mapping[str, str] = os.environ,
) -> Model:
    """The parameters from options, which override the environment, which overrides the file.

    The file may have every command's keys: those of others are passed over. Raises ParameterError
    with one line that names the option and the value.
    """
    if config is None and (named := environment.get(f"{ENVIRONMENT_PREFIX}CONFIG")):
        config = path_given("--config", named)
    given = _from_file(model, config) if config else {}
    given |= _from_environment(model, environment) | dict(options)
    try:
        return model(**given)
    except ValidationError as error:
        raise ParameterError(_one_line(error, given)) from None


def path_given(option: str, place: str | Path) -> Path:
    """The path on this machine that is given with an option of no model's.

    Raises ParameterError with one line that names the option and the value.
    """
    try:
        return local_path(place)
    except ValueError as error:
        raise ParameterError(f"{option} {str(place)!r}: {error}") from None


def option_name(field: str) -> str:
    """The option of a field: `--page-size` of `page_size`."""
    return "--" + field.replace("_", "-")


def _from_file(model: type[Model], path: Path) -> dict[str, Any]:
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
        if name not in _KEYS:
            raise ParameterError(f"--config {str(path)!r}: {_unknown(key, _KEYS)}")
        if name in model.model_fields:
            given[name] = _with_underscores(value)
    return given


def _unknown(key: str, fields: Iterable[str]) -> str:
    hint = did_you_mean(key, [field.replace("_", "-") for field in fields])
    return f"unknown key {key!r}{hint}"


def _with_underscores(value: Any) -> Any:
    """The value with the keys of its tables spelled as fields."""
    if isinstance(value, dict):
        return {key.replace("-", "_"): _with_underscores(member) for key, member in value.items()}
    return [_with_underscores(member) for member in value] if isinstance(value, list) else value


def _from_environment(model: type[Model], environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in environment:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _VARIABLES:
            near = get_close_matches(name.upper(), _VARIABLES, n=1, cutoff=_MISSPELLED)
            if near:
                raise ParameterError(f"{name}: there is no such setting; did you mean {near[0]!r}?")
    for name, field in model.model_fields.items():
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
            shown = "" if name == "accounts" else f" {text!r}"  # it may hold an external id
            raise ParameterError(f"{variable}{shown}: no JSON list: {error}") from None
        return values
    return [text] if name == "filter" else [part for part in text.split(",") if part]


def _one_line(error: ValidationError, given: Mapping[str, Any]) -> str:
    """The first problem in words: the option, the value, what was expected.

    A key that is not known goes before one that is missing, which it may be meant to be.
    """
    problems = error.errors(include_url=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    if name == "accounts":
        return _of_accounts(problem, message)
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


def _of_accounts(problem: Mapping[str, Any], message: str) -> str:
    """In which of the tables it is, without the value: it may hold an external id."""
    _, *place = problem["loc"]
    number = f" {place[0] + 1}" if place else ""
    key = str(place[1]).replace("_", "-") if len(place) > 1 else ""
    words = {
        "extra_forbidden": _unknown(key, AccountParameters.model_fields),
        "missing": f"{key} is missing",
    }
    told = words.get(problem["type"], f"{key}: {message[0].lower()}{message[1:]}".lstrip(": "))
    return f"[[accounts]]{number}: {told}"


_PLAINER: Final = {
    "dask_scheduler": "not a scheduler's address; expected tcp://HOST:PORT or tls://HOST:PORT",
    "date": "not a date; expected YYYY-MM-DD",
    "include_account": "not an account; expected its 12 digits",
    "exclude_account": "not an account; expected its 12 digits",
    "organization_role": "not a role's name; expected the part after role/ of its ARN",
}
