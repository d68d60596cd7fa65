"""Whether a Prefect API is configured, told without importing Prefect, which takes seconds."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """True where PREFECT_API_URL is set, in the environment or in Prefect's active profile."""
    return bool(environment.get("PREFECT_API_URL") or _profile(environment).get("PREFECT_API_URL"))


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of the active profile; none where there is no readable file of profiles."""
    home = Path(environment.get("PREFECT_HOME") or Path.home() / ".prefect")
    path = Path(environment.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    name = environment.get("PREFECT_PROFILE") or profiles.get("active", "ephemeral")
    profile: dict[str, str] = profiles.get("profiles", {}).get(name, {})
    return profile
