"""What a run on Dask needs, what can be sent to its workers, and that no other run imports Dask."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows.beyond import require_usable
from flows.parameters import ParameterError, SnapshotParameters
from tests.command import IMAGELAKE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--demo"],
            "--dask-scheduler 'tcp://127.0.0.1:1': workers cannot reach the emulator of --demo; leave "
            "one out",
        ),
        (
            ["--lake", "data/lake"],
            "--dask-scheduler 'tcp://127.0.0.1:1': its workers do not see the folder 'data/lake'; give "
            "--lake s3://BUCKET/PREFIX, or read on this machine without it",
        ),
        (
            [],
            "--dask-scheduler 'tcp://127.0.0.1:1' cannot be reached: [Errno 111] Connection refused; "
            "see that it runs there and that this machine may connect to it",
        ),
        (
            ["--dask-scheduler", "127.0.0.1"],
            "--dask-scheduler '127.0.0.1': not a scheduler's address; expected tcp://HOST:PORT or "
            "tls://HOST:PORT",
        ),
    ],
    ids=["demo", "folder", "unreachable", "no address"],
)
def test_what_workers_could_not_do_is_refused_in_one_line(
    options: list[str], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMAGELAKE_DASK_SCHEDULER", "tcp://127.0.0.1:1")
    monkeypatch.setenv("IMAGELAKE_LAKE", "s3://bucket/lake")
    ended = subprocess.run(
        [IMAGELAKE, "run", *options], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"imagelake: {words}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = SnapshotParameters(lake="s3://bucket/lake", dask_scheduler="tcp://127.0.0.1:1")
    monkeypatch.setattr("flows.beyond.find_spec", lambda _: None)
    with pytest.raises(ParameterError) as raised:
        require_usable(parameters)
    assert str(raised.value) == (
        "--dask-scheduler 'tcp://127.0.0.1:1' needs the extra `dask`: pip install 'imagelake[dask]'"
    )


def test_a_scheduler_needs_a_prefect_api() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        parameters = SnapshotParameters(lake="s3://bucket/lake", dask_scheduler=address)
        with pytest.raises(ParameterError) as raised:
            require_usable(parameters)
    assert str(raised.value) == (
        f"--dask-scheduler {address!r} needs a Prefect API that the workers reach too: start a server "
        "and set PREFECT_API_URL"
    )


def test_what_a_worker_is_to_do_can_be_sent() -> None:
    """As Dask sends it, which no test but the long ones would tell."""
    from distributed.protocol.pickle import dumps, loads

    from flows.on_dask import read

    assert loads(dumps(read)).name == "read"  # type: ignore[no-untyped-call]  # it has no types


def test_a_run_on_one_machine_imports_no_dask(tmp_path: Path) -> None:
    """Not even Prefect where none is asked for."""
    script = (
        "import sys; from flows.pipeline import take_snapshot; from flows.cli import main; "
        "sys.exit(' '.join({'dask', 'distributed', 'prefect'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (ended.stderr, ended.returncode) == ("", 0)
