"""The waits between tries at what S3 may do a moment later: ever longer, at random, for a time.

For what the SDK does not repeat itself, as it cannot know that it may be: `lake.s3` has those.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

TOTAL_SECONDS: Final = 30.0
"""A partition of a bucket that S3 splits answers 503 for seconds, at times for tens of them."""
_FIRST_SECONDS: Final = 0.2
_LONGEST_SECONDS: Final = 5.0


def waits() -> Iterator[float]:
    """Sleeps before each next try and yields for how many seconds; ends where the time is over."""
    until = time.monotonic() + TOTAL_SECONDS
    longest = _FIRST_SECONDS
    while True:
        seconds = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, no secret
        if time.monotonic() + seconds > until:
            return
        time.sleep(seconds)
        yield seconds
        longest = min(2 * longest, _LONGEST_SECONDS)
