"""The warehouse that a command builds: of live views, or of tables where it is told so."""

from __future__ import annotations

from collections.abc import Callable

from flows.parameters import LakeParameters
from lake import warehouse
from lake.interruption import is_of_duckdb
from lake.opening import LIVE, MATERIALIZED
from lake.storage import Lake


def kind_of(parameters: LakeParameters) -> str:
    """What kind of warehouse the parameters ask for."""
    return MATERIALIZED if parameters.materialize else LIVE


def publish(lake: Lake, parameters: LakeParameters) -> bool:
    """Builds the warehouse where it is not as it should be; returns whether it was built."""
    if parameters.materialize:
        return warehouse.publish_materialized(lake, parameters.warehouse)
    return warehouse.publish(lake, parameters.warehouse)


def problem_of(step: Callable[[], object]) -> str | None:
    """What went wrong after a commit, which stands whatever it is; None where nothing did."""
    try:
        step()
    except KeyboardInterrupt:
        return "interrupted"
    except Exception as error:  # nothing may say that it was not committed
        return "interrupted" if is_of_duckdb(error) else str(error) or type(error).__name__
    return None


def refresh(lake: Lake, parameters: LakeParameters) -> bool:
    """As `publish`, where the lake was changed: a warehouse that is there stays of its kind.

    One that shows another lake is no concern of this one, and stays as it is.
    """
    if warehouse.other_lake(parameters.warehouse, lake):
        return False
    if warehouse.kind_of(parameters.warehouse) == MATERIALIZED:
        return warehouse.publish_materialized(lake, parameters.warehouse)
    return publish(lake, parameters)
