"""Which builds exist at a clock, and in what state: numbered slots, found without a list.

Slot n of an image has one creation time, one fate and one identity, whatever the clock says;
the clock only decides how far it has come. So any page is computed from its position alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

HOUR = 3600
DAY = 24 * HOUR
EPOCH = 1_575_158_400  # 2019-12-01T00:00:00Z, the day before Image Builder's launch

#: Until what share (in thousandths) of its run a build is in which state.
STAGES = (
    (15, "PENDING"),
    (60, "CREATING"),
    (500, "BUILDING"),
    (750, "TESTING"),
    (930, "DISTRIBUTING"),
    (1000, "INTEGRATING"),
)
#: Fates that end a run early, and at which thousandth of it.
ENDS = {
    "component": 310,
    "test": 700,
    "step": 480,
    "launch": 40,
    "distribution": 900,
    "cancelled": 200,
}
RETIRED = frozenset(("DEPRECATED", "DISABLED", "DELETED"))
_SHARES = {
    "component": 5, "test": 2, "step": 3, "launch": 1, "distribution": 3, "cancelled": 5,
    "stuck": 1, "ami_failed": 4, "disabled": 5, "reaped": 8, "early": 12,
}  # fmt: skip
#: The fate of a slot by one byte of its digest.
FATES = [fate for fate, share in _SHARES.items() for _ in range(share)]
FATES += ["normal"] * (256 - len(FATES))
#: What an image that does not match the filters costs of a page's budget of slots.
SKIP_COST = 10


class Place(NamedTuple):
    """A region and account that an image is distributed to."""

    region: str
    account: str


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image of a target; `interval`, `retention` and `deprecate_after` are seconds.

    Compared and hashed by identity, so that a cache by image costs nothing.
    """

    key: bytes
    name: str
    slug: str
    type: str
    platform: str
    os_version: str
    owner: str
    arn: str
    interval: int
    retention: int
    builds_per_version: int
    versioning: str
    source: str
    deprecate_after: int
    places: tuple[Place, ...]
    tags: str
    log_group: str
    is_foreign: bool

    def window(self, clock: int) -> range:
        """Return the slots that can exist at `clock` (epoch milliseconds)."""
        age = clock // 1000 - EPOCH
        if age < 0:
            return range(0)
        return range(max(0, (age - self.retention) // self.interval - 1), age // self.interval + 1)

    def version(self, slot: int) -> tuple[str, int]:
        """Return the semantic version and the build number of a slot."""
        if self.versioning == "date":
            day = (EPOCH + slot * self.interval) // DAY
            return _date_version(day), slot - self._first_of_day(day) + 1
        release, build = divmod(slot, self.builds_per_version)
        if self.versioning == "minor":
            return f"{1 + release // 12}.{release % 12}.0", build + 1
        return f"{1 + release // 36}.{release // 3 % 12}.{release % 3}", build + 1

    def slots_of_version(self, slot: int) -> range:
        """Return all slots that have the version of `slot`."""
        if self.versioning == "date":
            day = (EPOCH + slot * self.interval) // DAY
            return range(self._first_of_day(day), self._first_of_day(day + 1))
        first = slot - slot % self.builds_per_version
        return range(first, first + self.builds_per_version)

    def find_version(self, version: str) -> range:
        """Return the slots of the semantic version `version`; empty where there is none."""
        if len(version) > 40:  # longer than any slot's, and than int() likes
            return range(0)
        major, minor, patch = (int(part) for part in version.split("."))
        if self.versioning == "date":
            slot = self._first_of_day(_day_of(major, minor, patch))
        elif self.versioning == "minor":
            slot = ((major - 1) * 12 + minor) * self.builds_per_version
        else:
            slot = ((major - 1) * 36 + minor * 3 + patch) * self.builds_per_version
        if slot < 0 or self.version(slot)[0] != version:
            return range(0)
        return self.slots_of_version(slot)

    def _first_of_day(self, day: int) -> int:
        return -((EPOCH - day * DAY) // self.interval)


class Build(NamedTuple):
    """One build as it is at a clock; `created` is epoch milliseconds."""

    image: Image
    slot: int
    digest: str
    created: int
    fate: str
    status: str


class Choice(NamedTuple):
    """What a request asks for: images, a filter on them, versions (none: all), slots (None: all)."""

    images: Sequence[Image]
    matches: Callable[[Image], bool]
    versions: frozenset[str]
    slots: range | None

    def window(self, image: Image, clock: int) -> range:
        """Return the slots to look at in `image` at `clock` (epoch milliseconds)."""
        window = image.window(clock)
        if self.slots is None:
            return window
        return range(max(window.start, self.slots.start), min(window.stop, self.slots.stop))


class Page(NamedTuple):
    """What a page found, and where the next one starts (None at the end)."""

    items: list[tuple[int, int, str]]
    following: tuple[int, int] | None


def build_at(image: Image, slot: int, clock: int) -> Build | None:
    """Return the build in `slot` as of `clock` (epoch milliseconds), None where there is none."""
    digest = blake2b(image.key + b"#%d" % slot).hexdigest()
    dice = int(digest[:16], 16)
    created = (EPOCH + slot * image.interval) * 1000 + (dice >> 40) % (image.interval * 500)
    age = clock - created
    if age < 0:
        return None
    fate = "normal" if image.is_foreign else FATES[dice & 255]
    share = dice >> 8 & 255
    lifetime = image.retention * 1000 * (1 + share if fate == "early" else 245 + share % 11) // 256
    if age >= lifetime:
        return None
    status = _status(image, fate, age, (HOUR + (dice >> 16 & 4095)) * 1000, lifetime)
    return Build(image, slot, digest, created, fate, status)


def _status(image: Image, fate: str, age: int, duration: int, lifetime: int) -> str:
    if age < duration or fate in ENDS or fate == "stuck":
        return _running(fate, age, duration)
    if fate == "reaped" and age >= lifetime - 2 * DAY * 1000:
        return "DELETED"
    if fate == "disabled" and age >= lifetime // 2:
        return "DISABLED"
    if image.deprecate_after and age >= image.deprecate_after * 1000:
        return "DEPRECATED"
    return "AVAILABLE"


def _running(fate: str, age: int, duration: int) -> str:
    progress = age * 1000 // duration
    if fate == "stuck" and progress >= 600:
        return "TESTING" if age < 40 * HOUR * 1000 else "FAILED"
    if fate in ENDS and progress >= ENDS[fate]:
        return "CANCELLED" if fate == "cancelled" else "FAILED"
    return next(status for until, status in STAGES if progress < until)


def scan_builds(
    choice: Choice, start: tuple[int, int], budget: int, clock: int, render: Callable[[Build], str]
) -> Page:
    """Return the builds among the next `budget` slots: fewer where slots are empty or filtered."""
    images, versions = choice.images, choice.versions
    index, slot = start
    found: list[tuple[int, int, str]] = []
    while index < len(images) and budget > 0:
        image = images[index]
        if not choice.matches(image):
            index, slot, budget = index + 1, 0, budget - SKIP_COST
            continue
        window = choice.window(image, clock)
        first = max(slot, window.start)
        stop = max(first, min(window.stop, first + budget))
        for number in range(first, stop):
            build = build_at(image, number, clock)
            if build and (not versions or image.version(number)[0] in versions):
                found.append((index, number, render(build)))
        budget -= stop - first
        index, slot = (index, stop) if stop < window.stop else (index + 1, 0)
    return Page(found, (index, slot) if index < len(images) else None)


def scan_versions(
    choice: Choice,
    start: tuple[int, int],
    budget: int,
    clock: int,
    render: Callable[[Build], str],
    has_retired: bool,
) -> Page:
    """Return the image versions among the next `budget`, each by its oldest build that exists.

    Without `has_retired` the versions whose oldest build is deprecated are left out.
    """
    images, versions = choice.images, choice.versions
    index, slot = start
    found: list[tuple[int, int, str]] = []
    while index < len(images) and budget > 0:
        image = images[index]
        window = image.window(clock) if choice.matches(image) else range(0)
        slot = max(slot, window.start)
        while slot < window.stop and budget > 0:
            slots = image.slots_of_version(slot)
            build = first_build(image, slots, clock)
            is_wanted = not versions or image.version(slot)[0] in versions
            if build and is_wanted and (has_retired or build.status not in RETIRED):
                found.append((index, slot, render(build)))
            slot, budget = slots.stop, budget - 1
        if slot >= window.stop:
            index, slot = index + 1, 0
    return Page(found, (index, slot) if index < len(images) else None)


def first_build(image: Image, slots: range, clock: int) -> Build | None:
    """Return the first build that exists among `slots`."""
    window = image.window(clock)
    numbers = range(max(slots.start, window.start), min(slots.stop, window.stop))
    builds = (build_at(image, number, clock) for number in numbers)
    return next((build for build in builds if build), None)


def civil(day: int) -> tuple[int, int, int]:
    """Return (year, month, day of the month) of a count of days since 1970-01-01."""
    shifted = day + 719468
    era, of_era = divmod(shifted, 146097)
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    date = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month, date


def _date_version(day: int) -> str:
    return "{}.{}.{}".format(*civil(day))


def _day_of(year: int, month: int, date: int) -> int:
    """Return the count of days since 1970-01-01 (the caller checks that it is the same date)."""
    year -= month <= 2
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + date - 1
    era, of_era = divmod(year, 400)
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
