"""What the emulator knows while it serves: fleets, clock, tokens, faults, answers, its log."""

import itertools
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from extract.emulator.catalog import OWNERS, Scope, foreign_images, owned_images
from extract.emulator.faults import Faults
from extract.emulator.fleet import Image
from extract.emulator.settings import Settings
from extract.emulator.tokens import Tokens

LOG_MOST = 20_000


class ApiError(Exception):
    """An error answer: status, AWS's name of the error, message, further headers."""

    def __init__(
        self, status: int, name: str, message: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
        self.headers = headers


class Caller(NamedTuple):
    """Who calls, by the request's signature."""

    access_key_id: str
    account: str
    region: str


class Script(NamedTuple):
    """One scripted page: served as it is, or with a token between `head` and `tail`."""

    text: str
    head: str
    tail: str


class World:
    """The state of one emulator; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.scope = Scope(settings.seed, settings.accounts, settings.regions, settings.builds)
        self.tokens = Tokens(settings.seed, settings.token_seconds)
        self.faults = Faults(settings.faults)
        self.clock = epoch_milliseconds(settings.clock or datetime.now(UTC))
        self.answers: dict[tuple[str, str, str], list[Script]] = {}
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_MOST)
        self.counts: Counter[str] = Counter()
        self.request_numbers = itertools.count(1)
        self._fleets: dict[tuple[str, str, str], list[Image]] = {}
        self._lock = threading.Lock()

    def images(self, account: str, region: str, owner: str = "Self") -> Sequence[Image]:
        """Return the images of `owner` that a target sees; none where it is not configured."""
        if region not in self.scope.regions or self.faults.of(account, region).get("empty"):
            return ()
        if owner != "Self":
            return self._fleet("", region, owner)
        return self._fleet(account, region, owner) if account in self.scope.accounts else ()

    def find_image(self, account: str, region: str, image_arn: str) -> Image | None:
        """Return the image whose ARN up to its name is `image_arn`, among all owners' images."""
        for owner in OWNERS:
            for image in self.images(account, region, owner):
                if image.arn == image_arn:
                    return image
        return None

    def set_answers(self, account: str, region: str, operation: str, bodies: Sequence[str]) -> None:
        """Serve `bodies` as the target's pages from now on; none gives its fleet back."""
        scripts = [_script(body) for body in bodies]
        if scripts:
            self.answers[account, region, operation] = scripts
        else:
            self.answers.pop((account, region, operation), None)

    def record(self, entry: dict[str, Any], started: float) -> None:
        """Put one request into the log and the counts; `started` is its monotonic start."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry |= {"at": now, "milliseconds": round((time.monotonic() - started) * 1000, 3)}
        with self._lock:
            self.log.append(entry)
            self.counts["requests"] += 1
            self.counts["builds"] += entry["items"] or 0

    def stats(self) -> dict[str, float]:
        """Return requests, items served and the CPU seconds of this process."""
        counts = {name: self.counts[name] for name in ("requests", "builds")}
        return counts | {"cpu_seconds": time.process_time()}

    def _fleet(self, account: str, region: str, owner: str) -> list[Image]:
        images = self._fleets.get((account, region, owner))
        if images is None:
            if owner == "Self":
                images = owned_images(self.scope, account, region)
            else:
                images = foreign_images(self.scope, owner, region)
            images = self._fleets.setdefault((account, region, owner), images)
        return images


def epoch_milliseconds(instant: datetime) -> int:
    """Return an instant (without a zone: UTC) as epoch milliseconds."""
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def _script(body: str) -> Script:
    """Cut a body in front of its closing brace; a body that is no JSON object is not cut."""
    try:
        value = json.loads(body)
    except ValueError:
        return Script(body, "", "")
    if not isinstance(value, dict):
        return Script(body, "", "")
    end = body.rindex("}")
    return Script(body, body[:end] + ("," if value else ""), body[end:])
