"""A run is tracked where a Prefect API is configured, and only there."""

import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.parameters import ParameterError
from flows.tracking import is_configured, require_reachable
from tests.endpoint import answering
from tests.test_security import untrusted

__all__ = ["untrusted"]  # a fixture is used by its name

URL = "http://127.0.0.1:4200/api"
PROFILES = f"""
active = "team"

[profiles.ephemeral]
PREFECT_SERVER_ALLOW_EPHEMERAL_MODE = "true"

[profiles.team]
PREFECT_API_URL = "{URL}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Prefect's folder, with an active profile that names an API."""
    (tmp_path / "profiles.toml").write_text(PROFILES)
    return tmp_path


def test_the_variable_configures_an_api(tmp_path: Path) -> None:
    assert is_configured({"PREFECT_API_URL": URL, "PREFECT_HOME": str(tmp_path)})


def test_no_variable_and_no_profile_configure_none(tmp_path: Path) -> None:
    assert not is_configured({"PREFECT_HOME": str(tmp_path)})


def test_the_active_profile_configures_an_api(home: Path) -> None:
    assert is_configured({"PREFECT_HOME": str(home)})


def test_another_profile_can_be_chosen(home: Path) -> None:
    assert not is_configured({"PREFECT_HOME": str(home), "PREFECT_PROFILE": "ephemeral"})
    assert not is_configured({"PREFECT_HOME": str(home), "PREFECT_PROFILE": "nobody's"})


def test_the_file_of_profiles_can_be_elsewhere(home: Path, tmp_path: Path) -> None:
    path = home / "profiles.toml"
    given = {"PREFECT_HOME": str(tmp_path / "empty"), "PREFECT_PROFILES_PATH": str(path)}
    assert is_configured(given)


def test_the_folder_is_below_the_home_of_the_user_by_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.rename(home.with_name("user"))
    user = home.with_name("user")
    (user / ".prefect").mkdir()
    (user / "profiles.toml").rename(user / ".prefect" / "profiles.toml")
    monkeypatch.setenv("HOME", str(user))
    assert is_configured({})


def test_a_broken_file_of_profiles_configures_none(home: Path) -> None:
    """Prefect itself will say what is wrong with it; a run goes untracked."""
    (home / "profiles.toml").write_text("active = [")
    assert not is_configured({"PREFECT_HOME": str(home)})


def test_a_user_without_a_home_has_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's may have neither a name nor HOME."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31)
    assert not is_configured({})
    assert is_configured({"PREFECT_API_URL": URL})


def test_a_server_of_the_users_own_authority_is_reached(untrusted: ssl.SSLContext) -> None:
    """Prefect has settings for whom to trust, and says so where it does not."""
    with answering({}, tls=untrusted) as url:
        require_reachable({"PREFECT_API_URL": url})


@pytest.mark.parametrize("user", ["", "me:s3cret@", "me:s3/cr@et@"])
def test_nobody_at_the_api_is_one_line_without_its_password(user: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        require_reachable({"PREFECT_API_URL": f"http://{user}127.0.0.1:1/api"})
    assert str(refusal.value) == (
        "PREFECT_API_URL 'http://127.0.0.1:1/api' cannot be reached: <urlopen error [Errno 111] "
        "Connection refused>; start the server, or unset it for an untracked run"
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/api", "nowhere", "http://a b/"])
def test_what_is_no_url_is_one_line(url: str) -> None:
    with pytest.raises(ParameterError, match=r"^PREFECT_API_URL '.*' cannot be reached: "):
        require_reachable({"PREFECT_API_URL": url})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("Completed", 0), ("PartialSuccess", 3)])
def test_an_api_that_answers_too_late_hides_no_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, status: int
) -> None:
    """Prefect tries again, and gets the state that the API has: it is without the run's summary."""
    from prefect.client.schemas.objects import State
    from prefect.states import Completed

    import flows.snapshot

    given_back: State[Any] = Completed(
        name=name, message="1 of 2 targets not read whole", data=None
    )
    monkeypatch.setenv("PREFECT_API_URL", URL)
    monkeypatch.setattr("flows.tracking.require_reachable", lambda: None)
    monkeypatch.setattr(flows.snapshot, "snapshot", lambda *_, **__: given_back)
    monkeypatch.setattr(sys, "argv", ["imagelake", "run"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    told = f"the run ended {name}: 1 of 2 targets not read whole"
    assert capsys.readouterr().err.endswith(f"{told}\n")
