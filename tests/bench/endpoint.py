"""An emulator in a process of its own that renders every page once, before any client asks.

A client is then served bytes that lie ready, so that what is measured beside it is the client.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Final

from extract.emulator import Emulator, Settings
from extract.emulator.identity import CREDENTIAL
from extract.emulator.server import Endpoint
from extract.emulator.wire import Answer, Request

ACCOUNT: Final = "111122223333"
REGIONS: Final = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1"),
    *("eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1"),
)
PAGE_SIZE: Final = 100
CLOCK: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When the fleet is seen: the same builds every time."""
PROJECT: Final = Path(__file__).parents[2]

Asked = tuple[str, str | None]
"""A region and a page's token."""


class Rendered(Endpoint):
    """Serves whole listings of one account by pages of 100; anything else as the emulator does."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._pages: dict[Asked, Answer] = {}
        for region in settings.regions:
            self._render(region)

    def answer(self, request: Request) -> Answer:
        """Return the page that lies ready, or what the emulator answers."""
        asked = _asked(request)
        page = self._pages.get(asked) if asked else None
        return page or super().answer(request)

    def _render(self, region: str) -> None:
        token: str | None = None
        while (region, token) not in self._pages:
            page = super().answer(_request(region, token))
            self._pages[region, token] = page
            token = json.loads(page.body).get("nextToken")
            if token is None:
                return


def _request(region: str, token: str | None) -> Request:
    credential = f"AKIA{ACCOUNT}EMUL/20260101/{region}/imagebuilder/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 Credential={credential}"}
    members = {"maxResults": PAGE_SIZE} | ({"nextToken": token} if token else {})
    return Request("POST", "/ListImageBuildVersions", headers, json.dumps(members).encode())


def _asked(request: Request) -> Asked | None:
    """What a request asks for; None where it is not a plain listing's page."""
    if request.path != "/ListImageBuildVersions":
        return None
    signed = CREDENTIAL.match(request.headers.get("authorization", ""))
    members = json.loads(request.body or b"{}")
    token = members.pop("nextToken", None)
    if signed is None or members != {"maxResults": PAGE_SIZE}:
        return None
    return signed[2], token


@contextmanager
def serving(builds: int) -> Iterator[Emulator]:
    """The endpoint of about `builds` builds in ten regions of one account, its pages rendered."""
    command = [sys.executable, "-m", "tests.bench.endpoint", str(builds)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    url = process.stdout.readline().strip() if process.stdout else ""
    if not url:
        raise SystemExit(f"the endpoint did not start: {command}")
    with Emulator(process, url, (ACCOUNT,), REGIONS[0]) as emulator:
        yield emulator


def main(builds: int) -> None:
    """Serves until stdin ends; says the address once every page is rendered."""
    settings = Settings(
        accounts=(ACCOUNT,), regions=REGIONS, builds=builds // len(REGIONS), clock=CLOCK
    )
    with Rendered(settings) as endpoint:
        Thread(target=endpoint.serve_forever, daemon=True).start()
        sys.stdout.write(endpoint.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        endpoint.shutdown()


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("builds", type=int)
    main(parser.parse_args().builds)
