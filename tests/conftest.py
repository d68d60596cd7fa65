"""What the tests share: a clean environment, a local Image Builder endpoint, a lake in a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extract.emulator import Emulator, start
from flows.parameters import SnapshotParameters
from lake.folder import Folder
from lake.location import open_folder
from tests.aws import Moto, moto_server
from tests.prefect_server import serving

LONGEST = (
    *("torture", "flow", "flow_alerts", "current", "readme"),
    *("s3_lake", "disk_faults", "duckdb_versions"),
)
"""The files that take longest go first, so that no worker is left alone with one at the end."""

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
