"""Superset's API, as a client of it asks it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Api:
    """A Superset that answers at `url`, and its admin's password."""

    url: str
    password: str

    def charts(self) -> dict[str, int]:
        """By title, each chart's number."""
        listed = self.get("chart/?q=" + quote("(page_size:100)"))
        return {chart["slice_name"]: chart["id"] for chart in listed["result"]}

    def data(self, chart: int) -> dict[str, Any]:
        """What a chart's own query answers: `data` (its rows), `rowcount`, `status`, `error`."""
        [result] = self.get(f"chart/{chart}/data/")["result"]
        return dict(result)

    def sql(self, chart: int) -> str:
        """A chart's query in SQL."""
        [result] = self.get(f"chart/{chart}/data/?type=query")["result"]
        return str(result["query"])

    def get(self, path: str) -> Any:
        """The answer of an address. Raises HTTPError where it is none."""
        return self._asked(Request(f"{self.url}/api/v1/{path}", headers=self._authorization))  # noqa: S310 - on loopback

    @cached_property
    def _authorization(self) -> dict[str, str]:
        who = {"username": "admin", "password": self.password, "provider": "db"}
        login = Request(  # noqa: S310 - on loopback
            f"{self.url}/api/v1/security/login",
            json.dumps(who).encode(),
            {"Content-Type": "application/json"},
        )
        return {"Authorization": f"Bearer {self._asked(login)['access_token']}"}

    @staticmethod
    def _asked(request: Request) -> Any:
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - on loopback
            return json.load(answer)
