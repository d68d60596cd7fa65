"""Builds as a newer or stranger service would send them: unknown members, changed states."""

import json
from typing import Any
from zlib import crc32

NEWER_PAGE = ',"pageInformation":{"scannedCount":7,"shards":["a","b"]}'


def with_changed_state(text: str) -> str:
    """Return a build's JSON text with another `state.status` than it had."""
    build = json.loads(text)
    status = "DEPRECATED" if build["state"]["status"] == "AVAILABLE" else "AVAILABLE"
    build["state"] = {"status": status}
    return _text(build)


def with_unknown_members(text: str) -> str:
    """Return a build's JSON text with members and enum values that no SDK knows, at every level."""
    build = json.loads(text)
    share = crc32(text.encode())
    build["imageScanFindings"] = {"critical": share % 3, "tool": {"name": "x", "rules": [1, 2.5]}}
    build["isGolden"] = share % 2 == 0
    build["nullMember"] = None
    _add_to_state(build["state"])
    if share % 5 == 0:
        build["state"]["status"] = "QUARANTINED"
        build["buildType"] = "REPLAYED"
    if "loggingConfiguration" in build:
        build["loggingConfiguration"]["retentionInDays"] = 30
    _add_to_outputs(build.get("outputResources", {}))
    return _text(build)


def _add_to_state(state: dict[str, Any]) -> None:
    state["since"] = 1735689600.5
    failure = state.get("failureContext")
    if failure is None:
        return
    failure["retriable"] = False
    for inner in ("componentFailure", "distributionFailure"):
        if inner in failure:
            failure[inner]["severity"] = "HIGH"
    for region in failure.get("distributionFailure", {}).get("regionFailures", ()):
        region["attempts"] = 3
        region["status"] = "SKIPPED"


def _add_to_outputs(outputs: dict[str, Any]) -> None:
    for ami in outputs.get("amis", ()):
        ami["bootMode"] = "uefi"
        _add_to_state(ami["state"])
    for container in outputs.get("containers", ()):
        container["sizeInBytes"] = 123456789012
    if outputs:
        outputs["volumes"] = [{"volumeId": "vol-1", "encrypted": True}]


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
