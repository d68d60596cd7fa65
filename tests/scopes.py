"""The targets of a scope, or what is said where they cannot be told."""

from typing import Any

import pytest

from extract.errors import TargetError
from extract.sessions import Sessions
from extract.targets import Scope, Target, account_of_role, resolve_targets

OTHER = "222233334444"


def role(account: str = OTHER, partition: str = "aws") -> str:
    return f"arn:{partition}:iam::{account}:role/imagelake"


def targets(*regions: str, roles: tuple[str, ...] = (), **more: Any) -> list[Target]:
    accounts = [account_of_role(arn) for arn in roles]
    return resolve_targets(Sessions(), Scope(regions=regions, accounts=accounts, **more))


def resolve(*regions: str, roles: tuple[str, ...] = (), **more: Any) -> list[str]:
    return [str(target) for target in targets(*regions, roles=roles, **more)]


def refusal(*regions: str, roles: tuple[str, ...] = (), **more: Any) -> tuple[str, bool]:
    """What is said of targets that cannot be told, and whether the user's setting is to blame."""
    with pytest.raises(TargetError) as caught:
        targets(*regions, roles=roles, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message, caught.value.is_usage
