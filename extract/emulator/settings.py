"""What an emulator is started with; every value has a default that makes a small fleet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ACCOUNTS = ("111122223333", "222233334444", "333344445555")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")
BUILDS = 120
TOKEN_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Settings:
    """The fleet (seed, accounts, regions, builds per target, clock) and how it is served.

    `accounts[0]` is the home account, the one of any access key that names no account.
    `clock` is the fixed time the fleet is seen at (default: now); `token_seconds` is how long
    a page token stays good in real time; `watch_stdin` ends the server when stdin ends.
    """

    port: int = 0
    seed: int = 1
    accounts: tuple[str, ...] = ACCOUNTS
    regions: tuple[str, ...] = REGIONS
    builds: int = BUILDS
    clock: datetime | None = None
    faults: Mapping[str, Any] = field(default_factory=dict)
    token_seconds: float = TOKEN_SECONDS
    watch_stdin: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError, naming the value, where there is no fleet to be made."""
        for account in self.accounts:
            if not re.fullmatch(r"[0-9]{12}", account):
                raise ValueError(f"account {account!r}: expected 12 digits")
        if not self.accounts or not all(self.regions) or not self.regions:
            raise ValueError("accounts, regions: expected at least one of each, none of them empty")
        if self.builds < 0:
            raise ValueError(f"builds {self.builds}: expected 0 or more")
