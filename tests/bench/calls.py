"""`python -m tests.bench.calls [ROUNDS CALLS]`: what the parts of a call cost, and which are spared.

One process calls one page of 100 builds again and again, by imagelake's own client and by clients that
differ from it in one part, each between two of ours; told is the median of the differences. What a
setting or event can spare at a gain is spared (extract/pages.py, extract/sessions.py,
flows/starting.py). The rest is measured to know that it is not worth it, or that it cannot be spared.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import sqrt
from statistics import median, quantiles
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config

import flows.pipeline  # noqa: F401 - a run's modules in memory, for the garbage collector to go through
from extract.asks import LIST_BUILDS
from extract.pages import Listing
from extract.request import Request
from extract.sessions import Sessions
from extract.targets import Target
from flows.starting import spared
from tests.bench.endpoint import ACCOUNT, PAGE_SIZE, REGIONS, serving
from tests.bench.parts import PARTS

CALLS, ROUNDS = 8, 60
ERRORS_A_QUARTILE: Final = 1.2533 / 1.349
"""The standard error of a median, by the distance of the quartiles and the root of the count."""
REGION: Final = REGIONS[0]
GIVEN: Final = ("retries", "connect_timeout", "read_timeout")
"""The settings of imagelake's clients beside the user agent."""
EVENTS: Final = (
    *("before-parameter-build", "before-call", "request-created", "choose-signer"),
    *("needs-retry", "after-call"),
)
SIGNED: Final = (
    f"AWS4-HMAC-SHA256 Credential=AKIA{ACCOUNT}EMUL/20260101/{REGION}/imagebuilder/aws4_request"
)


def main(rounds: int = ROUNDS, calls: int = CALLS) -> None:
    """Writes as JSON the microseconds of CPU of a call, and of each part."""
    with serving(PAGE_SIZE * len(REGIONS)) as endpoint:
        os.environ.update(endpoint.environment())
        with spared():
            sys.stdout.write(json.dumps(measured(rounds, calls)))


def measured(rounds: int, calls: int) -> dict[str, float]:
    """By part, `call` for all of imagelake's, the median microseconds of CPU of a call.

    `noise` is twice the standard error of such a median, told by a client that differs in nothing.
    """
    ours = _listing_client(_settings())
    others = {"noise": _listing_client(_settings()), **dict(_others())}
    for client in (ours, *others.values()):
        _microseconds(client, calls)  # connections are made, caches filled
    whole: list[float] = []
    more: dict[str, list[float]] = {name: [] for name in ("noise", *PARTS)}
    for _ in range(rounds):
        for name, client in others.items():
            before, other, after = (_microseconds(each, calls) for each in (ours, client, ours))
            more[name].append(other - (before + after) / 2)
            whole.append(before)
        before = _microseconds(ours, calls)
        with _garbage_collected():
            other = _microseconds(ours, calls)
        more["garbage"].append(other - (before + _microseconds(ours, calls)) / 2)
    low, _, high = quantiles(more.pop("noise"), n=4)
    signs = {name: 1 if part.is_spared else -1 for name, part in PARTS.items()}
    return {
        "call": median(whole),
        "noise": 2 * ERRORS_A_QUARTILE * (high - low) / sqrt(rounds),
        **{name: signs[name] * median(spent) for name, spent in more.items()},
    }


def _others() -> Iterator[tuple[str, Any]]:
    """Clients, each with one spared part back or one other part left out."""
    ours = _settings()

    def but(**settings: Any) -> Any:
        """Ours with other settings."""
        return _listing_client(ours.merge(Config(**settings)))

    yield "parser", _client(ours)
    given = {name: value for name, value in vars(ours).items() if name in GIVEN}
    yield "agent", _listing_client(Config(**given))
    unsigned = but(signature_version=UNSIGNED)
    unsigned.meta.events.register(
        f"before-call.imagebuilder.{LIST_BUILDS}",  # the endpoint wants to see who calls
        lambda params, **_: params["headers"].update(Authorization=SIGNED),
    )
    yield "signing", unsigned
    unresolved = but()
    unresolved._ruleset_resolver = None  # for its price: there is no public switch
    yield "endpoint", unresolved
    unhandled = but()
    _unregister_all(unhandled)
    yield "handlers", unhandled
    yield "retries", but(retries={"mode": "legacy", "total_max_attempts": 1})
    yield "checks", but(parameter_validation=False)
    yield "compression", but(disable_request_compression=True)


def _settings() -> Config:
    """The very ones of a run."""
    return Sessions()._once


def _client(config: Config) -> Any:
    return boto3.Session().client("imagebuilder", region_name=REGION, config=config)


def _listing_client(config: Config) -> Any:
    """A client whose answers are kept as a listing keeps them, and not parsed."""
    client = _client(config)
    listing = Listing(Target(ACCOUNT, REGION), Request(), lambda: client, lambda _: None)
    client.meta.events.register(f"before-parse.imagebuilder.{LIST_BUILDS}", listing._keep_body)
    return client


def _unregister_all(client: Any) -> None:
    """Leaves an Image Builder client no handler of a call but the one that signs."""
    events = client.meta.events
    for event in EVENTS:
        whole = f"{event}.imagebuilder.{LIST_BUILDS}"
        for handler in list(events._emitter._handlers.prefix_search(whole)):
            if getattr(handler, "__qualname__", "") != "RequestSigner.handler":
                for name in (event, f"{event}.*", f"{event}.imagebuilder", whole):
                    with suppress(AttributeError):  # raised where no such name was registered
                        events.unregister(name, handler)


@contextmanager
def _garbage_collected() -> Iterator[None]:
    """As Python begins: every object looked at, often."""
    kept = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*kept)


def _microseconds(client: Any, calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        client.list_image_build_versions(maxResults=PAGE_SIZE)
    return (time.process_time() - started) / calls * 1e6


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
