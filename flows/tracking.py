"""Whether a Prefect API is configured, told without importing Prefect, which takes seconds."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

from flows.parameters import ParameterError

REACHED_SECONDS: Final = 10.0


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """True where PREFECT_API_URL is set, in the environment or in Prefect's active profile."""
    return bool(_api_url(environment))


def require_reachable(
    environment: Mapping[str, str] = os.environ, otherwise: str = "unset it for an untracked run"
) -> None:
    """Raises ParameterError where nothing answers at the configured API: Prefect says so in pages."""
    url = _without_user(_api_url(environment) or "")
    try:
        with urlopen(f"{url}/health", timeout=REACHED_SECONDS):  # noqa: S310 - the user's own URL
            pass
    except HTTPError:
        pass  # it answers; whether it lets the run in, Prefect will tell
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(getattr(error, "reason", error), SSLError):
            return  # it answers too; whom Prefect trusts, its own settings say
        raise ParameterError(
            f"PREFECT_API_URL {url!r} cannot be reached: {error}; start the server, or {otherwise}"
        ) from None


def _without_user(url: str) -> str:
    """The URL without a user's name and password, which belong in no error."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _api_url(environment: Mapping[str, str]) -> str | None:
    return environment.get("PREFECT_API_URL") or _profile(environment).get("PREFECT_API_URL")


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of the active profile; none where there is no readable file of profiles."""
    try:
        home = Path(environment.get("PREFECT_HOME") or Path.home() / ".prefect")
        path = Path(environment.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # the last where no home folder is known
        return {}
    name = environment.get("PREFECT_PROFILE") or profiles.get("active", "ephemeral")
    profile: dict[str, str] = profiles.get("profiles", {}).get(name, {})
    return profile
