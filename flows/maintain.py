"""The Prefect flow `maintain`: retention, clean-up and compaction of a lake."""

# No `from __future__ import annotations`: it breaks `serve()` with a pydantic parameter.
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import deployment
from prefect.states import Completed

from flows.deploying import require_lasting
from flows.terminal import printable_errors
from flows.upkeep import maintain_lake, maintain_lines
from flows.upkeep_parameters import MaintainParameters


@flow(name="maintain", persist_result=False)
def maintain(parameters: MaintainParameters) -> State[Any]:
    """Removes what need not be kept and compacts what is scattered, as the parameters say.

    The state's data is the list of what went.
    """
    logger = get_run_logger()
    if deployment.id:
        require_lasting(parameters)
    with printable_errors():
        done = maintain_lake(parameters, lambda line: logger.info("%s", line))
    lines = list(maintain_lines(done, is_dry=parameters.dry_run))
    for line in lines:
        logger.info("%s", line)
    return Completed(message=lines[-1] if len(lines) == 1 else f"{len(done)} removed", data=done)
