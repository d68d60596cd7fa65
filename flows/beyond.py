"""Whether a run goes beyond one process or machine, and whether it can: without Prefect or Dask."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flows import tracking
from flows.parameters import ParameterError, SnapshotParameters

if TYPE_CHECKING:
    from flows.pipeline import Steps

REACHED_SECONDS: Final = 10.0


def steps(parameters: SnapshotParameters, given: Steps) -> Steps:
    """The steps of a run: those given in processes, or with a Dask scheduler on its workers.

    Raises ParameterError where the workers could not do them.
    """
    if parameters.dask_scheduler is None:
        from flows.processes import steps_in_processes

        return steps_in_processes(given)
    require_usable(parameters)
    from flows.on_dask import steps_on_dask  # only where it is asked for: Dask takes a second

    return steps_on_dask(parameters, given)


def require_usable(parameters: SnapshotParameters) -> None:
    """Raises ParameterError where what a Dask scheduler's workers need is missing."""
    given = f"--dask-scheduler {parameters.dask_scheduler!r}"
    if parameters.demo:
        raise ParameterError(f"{given}: workers cannot reach the emulator of --demo; leave one out")
    if not parameters.lake.startswith("s3://"):
        raise ParameterError(
            f"{given}: its workers do not see the folder {parameters.lake!r}; give --lake "
            "s3://BUCKET/PREFIX, or read on this machine without it"
        )
    if find_spec("prefect_dask") is None:
        raise ParameterError(f"{given} needs the extra `dask`: pip install 'imagelake[dask]'")
    _require_reachable(str(parameters.dask_scheduler))
    if not tracking.is_configured():
        raise ParameterError(
            f"{given} needs a Prefect API that the workers reach too: start a server and set "
            "PREFECT_API_URL"
        )


def unreachable(address: str, error: Exception) -> ParameterError:
    """That the scheduler does not answer, in words."""
    return ParameterError(
        f"--dask-scheduler {address!r} cannot be reached: {error}; see that it runs there and that "
        "this machine may connect to it"
    )


def _require_reachable(address: str) -> None:
    place = urlsplit(address)
    try:
        socket.create_connection((place.hostname, place.port), REACHED_SECONDS).close()
    except (OSError, ValueError) as error:
        raise unreachable(address, error) from None
