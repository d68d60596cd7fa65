"""Scripted trouble, a target at a time: which outcome the next call of a target has."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

#: Outcome name → (status, error name, message) of the answers that are errors.
ERRORS = {
    "500": (500, "ServiceException", "An internal service error occurred."),
    "503": (503, "ServiceUnavailableException", "The service is unable to process your request."),
    "429": (429, "CallRateLimitExceededException", "Rate exceeded"),
    "access_denied": (
        403,
        "AccessDeniedException",
        "User: {caller} is not authorized to perform: {action} "
        "with an explicit deny in a service control policy",
    ),
    "forbidden": (403, "ForbiddenException", "You are not authorized to perform this operation."),
    "unrecognized_client": (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "expired_token": (
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    "opt_in_required": (
        403,
        "OptInRequired",
        "The AWS Access Key Id needs a subscription for the service",
    ),
    "invalid_token": (400, "InvalidPaginationTokenException", "The pagination token is invalid."),
    "invalid_request": (400, "InvalidRequestException", "The request is invalid."),
    "invalid_parameter": (
        400,
        "InvalidParameterValueException",
        "The value supplied for a parameter is invalid.",
    ),
    "client": (400, "ClientException", "The request could not be processed."),
}
#: Outcomes that are no well-formed error; `hang:SECONDS` besides.
BREAKAGES = frozenset(("reset", "truncate", "html", "html_200"))
KEYS: dict[str, tuple[type, ...]] = {
    "throttle": (dict,),
    "latency_ms": (int, float),
    "errors": (list,),
    "always": (str,),
    "page_sizes_max": (int,),
    "unknown_members": (bool,),
    "short_pages": (bool,),
    "repeat_last": (bool,),
    "same_token": (bool,),
    "expire_token_after_pages": (int,),
    "sts_denied": (bool,),
    "external_id": (str,),
    "sts": (dict,),
    "list_regions": (dict,),
    "list_regions_denied": (bool,),
    "region_disabled": (bool,),
    "empty": (bool,),
}
SERVICES = ("sts", "list_regions")
"""The keys whose faults are `errors` and `always` of another service than Image Builder."""


class Faults:
    """The faults of all targets; more specific targets win over `ACCOUNT/*`, `*/REGION`, `*`."""

    def __init__(self, by_target: Mapping[str, Any]) -> None:
        self._by_target: dict[str, dict[str, Any]] = {}
        self._scripts: dict[tuple[str, str], deque[str]] = {}
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        self._merged: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.put(by_target)

    def put(self, by_target: Mapping[str, Any]) -> None:
        """Replace the faults of each target named; an empty mapping or None removes them."""
        for target, faults in by_target.items():
            check_faults(target, faults or {})
        with self._lock:
            for target, faults in by_target.items():
                self._by_target[target] = dict(faults or {})
                for service in ("", *SERVICES):
                    errors = _of_service(faults or {}, service).get("errors", ())
                    self._scripts[target, service] = deque(errors)
            self._merged.clear()
            self._buckets.clear()

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            for store in (self._by_target, self._scripts, self._buckets, self._merged):
                store.clear()

    def of(self, account: str, region: str) -> dict[str, Any]:
        """Return the faults in force for a target; a region of `*` asks for the account's own."""
        merged = self._merged.get((account, region))
        if merged is None:
            merged = {}
            for pattern in reversed(_patterns(account, region)):
                merged |= self._by_target.get(pattern, {})
            self._merged[account, region] = merged
        return merged

    def outcome(self, account: str, region: str, service: str = "") -> str | None:
        """Return the outcome of the target's next call, taking it off its script; None is well."""
        with self._lock:
            for pattern in _patterns(account, region):
                script = self._scripts.get((pattern, service))
                if script:
                    return script.popleft()
        always = _of_service(self.of(account, region), service).get("always")
        return str(always) if always else None

    def is_throttled(self, account: str, region: str) -> bool:
        """Take one token out of the target's bucket; true where there was none."""
        throttle = self.of(account, region).get("throttle")
        if not throttle:
            return False
        rate, burst = float(throttle["rate"]), float(throttle.get("burst", 1))
        now = time.monotonic()
        with self._lock:
            level, at = self._buckets.get((account, region), (burst, now))
            level = min(burst, level + (now - at) * rate)
            self._buckets[account, region] = (level - 1 if level >= 1 else level, now)
        return level < 1


def check_faults(target: str, faults: Mapping[str, Any]) -> None:
    """Raise ValueError, naming what was found, where `faults` is not what a target can have."""
    if target != "*" and target.count("/") != 1:
        raise ValueError(
            f"fault target {target!r}: expected ACCOUNT/REGION, ACCOUNT/*, */REGION, *"
        )
    for key, value in faults.items():
        if key not in KEYS:
            raise ValueError(f"fault {key!r} of {target}: expected one of {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]):
            raise ValueError(f"fault {key!r} of {target}: {value!r} has the wrong type")
    if "throttle" in faults and "rate" not in faults["throttle"]:
        raise ValueError(f"fault 'throttle' of {target}: expected a rate in calls a second")
    for service in ("", *SERVICES):
        scripted = _of_service(faults, service)
        if unknown := set(scripted) - {"errors", "always"} if service else ():
            raise ValueError(
                f"fault {service!r} of {target}: {sorted(unknown)}, not errors, always"
            )
        always = [scripted["always"]] if "always" in scripted else []
        for outcome in [*scripted.get("errors", ()), *always]:
            _check_outcome(target, outcome)


def _check_outcome(target: str, outcome: object) -> None:
    name = str(outcome)
    is_hang = name.startswith("hang:") and name[5:].replace(".", "", 1).isdigit()
    if name not in ERRORS and name not in BREAKAGES and not is_hang and name != "ok":
        known = ", ".join((*ERRORS, *sorted(BREAKAGES), "hang:SECONDS", "ok"))
        raise ValueError(f"outcome {name!r} of {target}: expected one of {known}")


def _of_service(faults: Mapping[str, Any], service: str) -> Mapping[str, Any]:
    scripted: Mapping[str, Any] = faults.get(service, {}) if service else faults
    return scripted


def _patterns(account: str, region: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((f"{account}/{region}", f"{account}/*", f"*/{region}", "*")))
