"""What a deployment of the flows is given: settings of the environment, read once, when it is made.

`prefect deploy --all` takes them from the build step in `prefect.yaml`, `imagelake serve` makes the
same two deployments itself. None is made with a setting that its runs could not work with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from flows.loading import load_parameters
from flows.parameters import ENVIRONMENT_PREFIX, LakeParameters, ParameterError, SnapshotParameters
from flows.upkeep_parameters import MaintainParameters

CRON: Final = "0 2 * * *"
"""When snapshots are taken where nothing else is said: every day at 02:00."""
MAINTAIN_CRON: Final = "0 5 * * 0"
"""When the lake is cleaned up: on Sundays at 05:00."""
TIMEZONE: Final = "UTC"
RETRIES: Final = 8
"""How often Prefect's client tries a call again, twice as long each time: for nine minutes in all."""
OF_ONE_RUN: Final = ("date", "starting_token", "accept_drop")
"""Parameters that are right for one run and wrong for all."""


def settings() -> dict[str, Any]:
    """The deployments' parameters and schedules, from IMAGELAKE_… and the file of IMAGELAKE_CONFIG.

    Ends the command with one line where they are not fit.
    """
    try:
        return settings_of(os.environ)
    except ParameterError as error:
        sys.stderr.write(f"imagelake: nothing was deployed: {error}\n")
        raise SystemExit(2) from None  # Prefect shows an error's traceback and hides its words


def settings_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """What `settings` returns for an environment; raises ParameterError."""
    snapshot = load_parameters(SnapshotParameters, {}, None, environment)
    for name, form in (("lake", "an absolute path or s3://…"), ("warehouse", "an absolute path")):
        if name not in snapshot.model_fields_set:
            variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
            raise ParameterError(f"{variable} is not set; give the runs' {name}: {form}")
    require_lasting(snapshot)

    def of(name: str, default: str) -> str:
        return environment.get(ENVIRONMENT_PREFIX + name) or default

    return {
        "snapshot": deployed(snapshot),
        "maintain": deployed(load_parameters(MaintainParameters, {}, None, environment)),
        "cron": cron("IMAGELAKE_CRON", of("CRON", CRON)),
        "maintain_cron": cron("IMAGELAKE_MAINTAIN_CRON", of("MAINTAIN_CRON", MAINTAIN_CRON)),
        "timezone": time_zone("IMAGELAKE_TIMEZONE", of("TIMEZONE", TIMEZONE)),
    }


def deployed(parameters: LakeParameters) -> dict[str, Any]:
    """The parameters as a deployment carries them: what was given, as JSON, and no secret.

    Prefect shows parameters to whoever sees its server; runs take the secrets from their own
    environment (`with_secrets`). Raises ParameterError on what fits one run only.
    """
    for name in OF_ONE_RUN:
        if getattr(parameters, name, None):
            raise ParameterError(f"{name.replace('_', '-')} is for one run; take it out to deploy")
    given = parameters.model_dump(mode="json", exclude_unset=True, exclude={"external_id"})
    for account in given.get("accounts", []):
        account.pop("external_id", None)
    return given


def with_secrets(
    parameters: SnapshotParameters, environment: Mapping[str, str] = os.environ
) -> SnapshotParameters:
    """The parameters with the external ids that a deployment left out, from the run's environment."""
    own = load_parameters(SnapshotParameters, {}, None, environment)
    ids = {account.role_arn: account.external_id for account in own.accounts}
    accounts = [
        account.model_copy(update={"external_id": account.external_id or ids.get(account.role_arn)})
        for account in parameters.accounts
    ]
    external_id = parameters.external_id or own.external_id
    return parameters.model_copy(update={"external_id": external_id, "accounts": accounts})


def require_lasting(parameters: LakeParameters) -> None:
    """Raises ParameterError for a relative path: a worker's run has a folder that ends with it."""
    places = {"lake": parameters.lake, "warehouse": str(parameters.warehouse)}
    if parameters.spool is not None:
        places["spool"] = str(parameters.spool)
    for name, place in places.items():
        if "://" not in place and not Path(place).is_absolute():
            raise ParameterError(
                f"--{name} {place!r} is relative, and a deployed run's folder is removed at its "
                f"end; give an absolute path (parameters given for one run replace all of the "
                "deployment's)"
            )


def cron(name: str, text: str) -> str:
    """The cron expression; raises ParameterError where it is none."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=text)
    except ValueError:
        raise ParameterError(
            f"{name} {text!r}: no cron expression; expected five fields, such as {CRON!r}"
        ) from None
    return text


def time_zone(name: str, text: str) -> str:
    """The time zone's name; raises ParameterError where there is none such."""
    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError):  # unknown, a folder's name, a path
        raise ParameterError(
            f"{name} {text!r}: no time zone; expected a name such as 'Europe/Berlin'"
        ) from None
    return text
