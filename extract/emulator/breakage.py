"""Scripted outcomes carried out: an error raised, an answer delayed, broken or replaced."""

import time
from collections.abc import Callable

from extract.emulator.faults import ERRORS
from extract.emulator.wire import Answer
from extract.emulator.world import ApiError, World

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"


def take_outcome(world: World, account: str, region: str, action: str, service: str = "") -> str:
    """Take the next outcome of a target's script for a service; wait or raise ApiError as it says.

    Return it where it is none of these, "" where all is well. `service` is "" for Image Builder's.
    """
    outcome = world.faults.outcome(account, region, service) or ""
    if outcome in ERRORS:
        status, name, message = ERRORS[outcome]
        principal = f"arn:aws:sts::{account}:assumed-role/imagelake/session"
        raise ApiError(status, name, message.format(caller=principal, action=action))
    if outcome.startswith("hang:"):
        time.sleep(float(outcome[5:]))
    return outcome


def broken(outcome: str, answer: Callable[[], Answer]) -> Answer:
    """Return the answer as the outcome has it: whole, cut off, or another instead."""
    if outcome == "reset":
        return Answer(0, b"", breakage="reset")
    if outcome in ("html", "html_200"):
        return Answer(502 if outcome == "html" else 200, HTML, "text/html")
    made = answer()
    return made._replace(breakage="truncate") if outcome == "truncate" else made
