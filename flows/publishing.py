"""The warehouse that a command builds: of live views, or of tables where it is told so."""

from __future__ import annotations

from flows.parameters import LakeParameters
from lake import warehouse
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


def refresh(lake: Lake, parameters: LakeParameters) -> bool:
    """As `publish`, where the lake was changed: a warehouse that is there stays of its kind."""
    if warehouse.kind_of(parameters.warehouse) == MATERIALIZED:
        return warehouse.publish_materialized(lake, parameters.warehouse)
    return publish(lake, parameters)
