"""`python -m tests.torture [--kills N] [--seconds S] [--seed X] [--s3]`: the long torture.

Exits with 1 where a reader or a check found something wrong.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory

from tests.aws import moto_server
from tests.torture.campaign import Campaign
from tests.torture.long import LongTorture
from tests.torture.pages import ACCOUNT
from tests.torture.readers import Readers
from tests.torture.writers import Place

TOLD_EVERY_SECONDS = 10.0
S3_PART = 5
"""The kills on a disk for one on S3, where each takes seconds."""
SHOWN_VIOLATIONS = 20


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class Progress:
    """Says every ten seconds how it goes."""

    def __init__(self) -> None:
        self.began_at = self.told_at = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began_at

    def __call__(self, campaign: Campaign, readers: Readers) -> None:
        if time.monotonic() - self.told_at < TOLD_EVERY_SECONDS:
            return
        self.told_at = time.monotonic()
        figures = readers.figures().values()
        reads, retries = (sum(told[name] for told in figures) for name in ("reads", "retries"))
        wrong = len(campaign.violations) + len(readers.violations())
        say(
            f"  {self.seconds:4.0f} s: {campaign.kill_count} kills, {campaign.done.total()} done, "
            f"{reads} reads, {retries} retries, {wrong} violations"
        )


def torture(place: Place, seed: int, kills: int, seconds: float) -> int:
    """The number of violations in a long torture of the place, which is told as it goes."""
    say(f"{place.lake}: at least {kills} kills, seed {seed}")
    place.folder.mkdir(parents=True)
    progress = Progress()
    campaign = Campaign(place, seed)
    readers = LongTorture(campaign, kills, seconds, progress).run()
    return summary(campaign, readers, progress.seconds)


def summary(campaign: Campaign, all_readers: list[Readers], seconds: float) -> int:
    """Says what was done and found; returns the number of violations."""
    by_operation: Counter[str] = Counter()
    by_step: Counter[str] = Counter()
    for (operation, step), count in campaign.kills.items():
        by_operation[operation] += count
        by_step[step] += count
    say(f"\n{campaign.kill_count} kills in {seconds:.0f} s")
    for operation, count in by_operation.most_common():
        say(f"  {count:4} {operation}")
    say("kills by step")
    for step, count in sorted(by_step.items()):
        say(f"  {count:4} {step}")
    say(f"{campaign.done.total()} writers came to their end: {_listed(campaign.done)}")
    refused = {f"{operation}: {words}": n for (operation, words), n in campaign.refused.items()}
    say(f"{campaign.refused.total()} were refused: {_listed(refused) or 'none'}")
    say("readers")
    violations = list(campaign.violations)
    totals: Counter[str] = Counter()
    for clean_up, readers in zip(("without", "with"), all_readers, strict=True):
        violations += readers.violations()
        for name, figures in readers.figures().items():
            totals.update(figures)
            say(f"  {clean_up} clean-up, {name.partition(': ')[2]}: {_listed(figures)}")
    say(
        f"{totals['reads']} checked transactions, {totals['records']} records held against their "
        f"rows, {totals['retries']} retries, {len(violations)} violations"
    )
    for words in violations[:SHOWN_VIOLATIONS]:
        say(f"VIOLATION {words}")
    return len(violations)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


@contextmanager
def s3_place(folder: Path) -> Iterator[Place]:
    """A lake in a bucket of moto's S3; this process's AWS chain points at it meanwhile."""
    folder.mkdir()
    with moto_server(folder, ACCOUNT) as moto:
        moto.client("s3").create_bucket(Bucket="torture")
        environment = {
            "AWS_ENDPOINT_URL_S3": moto.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        os.environ.update(environment)
        yield Place(
            "s3://torture/lake",
            folder / "files",
            visibility_seconds=1.5,
            orphan_seconds=60,
            grace_seconds=20,
            environment=environment,
        )


def main() -> int:
    """Runs what is asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="at least so many on a disk")
    parser.add_argument("--seconds", type=float, default=900, help="each part ends after so many")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    parser.add_argument("--s3", action="store_true", help="also on S3, with a fifth of the kills")
    parser.add_argument("--s3-only", action="store_true", help="on S3, and not on a disk")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="torture-") as name:
        root = Path(name)
        violations = 0
        if not given.s3_only:
            place = Place(str(root / "disk" / "lake"), root / "disk")
            violations += torture(place, given.seed, given.kills, given.seconds)
        if given.s3 or given.s3_only:
            with s3_place(root / "s3") as place:
                violations += torture(place, given.seed, given.kills // S3_PART, given.seconds)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
