"""The parts of a boto3 call that `tests.bench.calls` measures, and what becomes of each."""

from __future__ import annotations

from typing import Final, NamedTuple


class Part(NamedTuple):
    """A part of a call, by what it is called in the table, and why it is spared or is not."""

    words: str
    reason: str
    is_spared: bool


PARTS: Final = {
    "parser": Part("botocore's parser", "spared, by its `before-parse` event", True),
    "agent": Part("building the user agent", "spared: one is given", True),
    "garbage": Part(
        "collecting garbage at Python's own rate", "spared: rarer, of imports never", True
    ),
    "signing": Part("signing", "stays: it is needed", False),
    "endpoint": Part(
        "resolving the endpoint", "stays: botocore remembers it, and has no switch", False
    ),
    "handlers": Part(
        "all event handlers but the signer's", "stay: botocore's own, not ours to take", False
    ),
    "retries": Part("retries by its `standard` mode", "stay: `legacy` costs the same", False),
    "checks": Part("checking the parameters", "stays: a wrong one is told before a call", False),
    "compression": Part("looking whether to compress", "stays: not worth a setting", False),
}
