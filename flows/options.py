"""The options of the commands, derived from their parameter models so that they cannot drift apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic.fields import FieldInfo

from flows.loading import Model, load_parameters, option_name, path_given
from flows.parameters import LakeParameters

_METAVARS: Final = {
    "lake": "URI",
    "warehouse": "FILE",
    "visibility_seconds": "SECONDS",
    "spool": "DIR",
    "s3_sse": "NAME",
    "s3_kms_key": "ARN",
    "s3_bucket_owner": "ID",
    "max_drop": "PART",
    "keep_days": "N",
    "keep_monthly": "N",
    "keep_raw_days": "N",
    "grace_hours": "HOURS",
    "orphan_hours": "HOURS",
    "date": "YYYY-MM-DD",
    "region": "NAME",
    "role_arn": "ARN",
    "external_id": "TEXT",
    "organization_role": "NAME",
    "include_account": "ID",
    "exclude_account": "ID",
    "exclude_region": "NAME",
    "image_version_arn": "ARN",
    "filter": "NAME=VALUE,…",
    "owner": "OWNER",
    "starting_token": "TOKEN",
    "page_size": "N",
    "max_items": "N",
    "concurrency": "N",
    "processes": "N",
    "dask_scheduler": "ADDRESS",
    "target_seconds": "SECONDS",
    "run_seconds": "SECONDS",
    "required_tag": "KEY",
}


def path_option(name: str, **given: Any) -> Any:
    """An option of a command's own that is a path on this machine, read as those of the models are."""

    def path(place: str) -> Path:
        return path_given(name, place)

    return typer.Option(name, parser=path, metavar="<path>", **given)


ConfigFile = Annotated[
    Path | None, path_option("--config", help="A TOML file; its keys are these options.")
]


def load(model: type[Model], options: Mapping[str, Any], config: Path | None) -> Model:
    """The parameters of a command's options, the environment and the file.

    Raises ParameterError with one line that names the option and the value.
    """
    given = {name: value for name, value in options.items() if value not in (None, [])}
    return load_parameters(model, given, config)


def with_parameter_options(
    command: Callable[..., None], model: type[LakeParameters], without: Collection[str] = ()
) -> Callable[..., None]:
    """The command with an option for every field of the parameter model, in the model's order."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    fields = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in _options(model).items()
        if name not in without
    ]
    command.__signature__ = signature.replace(parameters=[*fields, *_keyword_only(own)])  # type: ignore[attr-defined]  # functions take attributes
    command.__annotations__ = {p.name: p.annotation for p in [*fields, *own]}
    return command


def _keyword_only(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]


def _options(model: type[LakeParameters]) -> dict[str, tuple[Any, Any]]:
    """By field, the option's annotation and default; values stay text until the model reads them."""
    options: dict[str, tuple[Any, Any]] = {}
    for name, field in model.model_fields.items():
        if name == "accounts":
            continue  # tables, which only a file can hold
        is_switch = field.annotation is bool
        names = option_name(name)
        if is_switch and field.default:
            names += f"/--no-{names.removeprefix('--')}"
        option = typer.Option(
            names, help=_help(field), show_default=False, metavar=_METAVARS.get(name)
        )
        kind = bool if is_switch else list[str] if field.default_factory else str
        options[name] = (Annotated[kind | None, option], None)
    return options


def _help(field: FieldInfo) -> str:
    is_told = isinstance(field.default, str | int | float | Path)
    is_told = is_told and not isinstance(field.default, bool)
    return f"{field.description} [default: {field.default}]" if is_told else f"{field.description}"
