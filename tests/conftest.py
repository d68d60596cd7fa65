"""What the tests share: a clean environment, a local Image Builder endpoint, a lake in a folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from extract.emulator import Emulator, start
from flows.parameters import SnapshotParameters
from lake.folder import Folder
from lake.location import open_folder
from tests.aws import Moto, moto_server
from tests.command import Command, Ended, run_command
from tests.prefect_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LONGEST = (
    *("torture", "flow", "flow_alerts", "current", "readme"),
    *("s3_lake", "disk_faults", "duckdb_versions"),
)
"""The files that take longest go first, so that no worker is left alone with one at the end."""

IS_BROWSER_REQUIRED = bool(os.environ.get("IMAGELAKE_REQUIRE_BROWSER"))
"""Read before the environment is cleaned."""

CLOCK = datetime(2025, 11, 20, 12, tzinfo=UTC)
"""When the shared emulator's fleet is seen."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the files; each one's tests stay as they are."""
    ranks = {f"test_{name}.py": rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable, file or instance role of this machine can reach a test."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("AWS_", "IMAGELAKE_", "PREFECT_"))]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(home / "aws_config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "aws_credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("PREFECT_HOME", str(home / "prefect"))
        yield


@pytest.fixture(scope="session")
def start_emulator() -> Iterator[Callable[..., Emulator]]:
    """`extract.emulator.start`, whose emulators all stop at the end of the session."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(start(**settings))


@pytest.fixture(scope="session")
def shared_emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    return start_emulator(clock=CLOCK)


@pytest.fixture
def emulator(shared_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The session's emulator, as it was at its start, with the AWS chain pointing at it."""
    shared_emulator.clear_faults()
    shared_emulator.clear_answers()
    shared_emulator.clear_requests()
    shared_emulator.set_clock(CLOCK)
    for name, value in shared_emulator.environment().items():
        monkeypatch.setenv(name, value)
    return shared_emulator


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """S3 for the session, on loopback; nothing points at it until a test says so."""
    with moto_server(tmp_path_factory.mktemp("s3"), "123456789012") as moto:
        yield moto


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the session's Prefect server."""
    with serving(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium; without one the tests are skipped, unless one is required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if IS_BROWSER_REQUIRED:
            pytest.fail("IMAGELAKE_REQUIRE_BROWSER is set, and there is no chromium")
        pytest.skip("no chromium on the path (IMAGELAKE_REQUIRE_BROWSER=1 makes this a failure)")
    from playwright.sync_api import sync_playwright  # the one test file that needs it waits for it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path)
        yield started
        started.close()


@pytest.fixture
def imagelake(tmp_path: Path) -> Command:
    """Runs the command in the test's folder; nothing ever ends in a traceback."""

    def run(*arguments: str, text: str = "", without: tuple[str, ...] = ()) -> Ended:
        kept = {name: value for name, value in os.environ.items() if name not in without}
        ended = run_command(arguments, tmp_path, text, kept)
        assert "Traceback" not in ended.stderr
        return ended

    return run


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Where a test's lake is to be; it does not exist yet."""
    return tmp_path / "lake"


@pytest.fixture
def folder(lake: Path) -> Folder:
    """The test's lake; it does not exist yet."""
    return open_folder(str(lake))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits to a folder take effect at once: nobody reads meanwhile."""
    monkeypatch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))


@pytest.fixture
def parameters(lake: Path) -> Callable[..., SnapshotParameters]:
    """Makes a run's parameters for the test's own lake and warehouse."""
    warehouse = lake.with_name("imagelake.duckdb")

    def make(**given: object) -> SnapshotParameters:
        return SnapshotParameters.model_validate(
            {"lake": str(lake), "warehouse": warehouse, **given}
        )

    return make
