"""`python -m tests.bench.pacing`: many throttled targets, read by us and by a plain boto3 script.

Each target's endpoint takes 60 ms a page and grants 10 calls a second with a burst of 10; 16 calls
may be under way at a time. The least possible time is that of all pages on 16 connections. With
`--curve` whole commands are measured over more and more targets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator, start
from flows.parameters import SnapshotParameters
from flows.planning import plan
from flows.reading import land
from tests.bench.ways import COMMAND, PROCESS_COUNT, clean_environment, has_processes

ACCOUNTS: Final = tuple(f"{number:012}" for number in range(111122223331, 111122223339))
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")
BUILDS, PAGE_SIZE = 780, 20
PAGE_SECONDS, CALLS_A_SECOND, BURST, CONNECTIONS = 0.06, 10, 10, 16
CURVE_ACCOUNTS: Final = (1, 2, 4, 8, 16, 32)
"""Times as many targets as there are regions."""


def main() -> None:
    """Prints the least possible time, ours and the ratio; then what a plain script loses."""
    with _paced(ACCOUNTS) as emulator:
        _say(f"{len(ACCOUNTS) * len(REGIONS)} targets, {CONNECTIONS} connections")
        pages = _ours(emulator)
        emulator.clear_requests()
        time.sleep(BURST / CALLS_A_SECOND)  # the buckets fill again
        _plain(emulator, pages)


def curve() -> None:
    """Writes as JSON, by number of targets, the seconds of `imagelake run` and the least possible.

    By one process and, where it can, by several. Each must end well: status 0 says that every target
    was read whole.
    """
    points = []
    for count in CURVE_ACCOUNTS:
        with _paced(tuple(f"{100000000000 + number}" for number in range(count))) as emulator:
            targets = count * len(REGIONS)
            seconds = _command_seconds(emulator, "processes = 1\n" if has_processes() else "")
            of_target = Counter(
                (call["account"], call["region"])
                for call in emulator.requests()
                if call["operation"] == LIST_BUILDS and call["status"] == 200
            )
            if len(of_target) != targets:
                raise SystemExit(f"{len(of_target)} of {targets} targets were read")
            point = {"targets": targets, "seconds": seconds, "least": _least(of_target)}
            if has_processes():
                time.sleep(BURST / CALLS_A_SECOND)  # the buckets fill again
                several = f"processes = {PROCESS_COUNT}\n"
                point["processes"] = _command_seconds(emulator, several)
            points.append(point)
    sys.stdout.write(json.dumps(points))


@contextmanager
def _paced(accounts: tuple[str, ...]) -> Iterator[Emulator]:
    """The endpoint of so many accounts, which takes its time and refuses what comes too fast."""
    with start(accounts=accounts, regions=REGIONS, builds=BUILDS) as emulator:
        os.environ.update(emulator.environment())
        throttle = {"rate": CALLS_A_SECOND, "burst": BURST}
        emulator.set_faults("*", {"latency_ms": PAGE_SECONDS * 1000, "throttle": throttle})
        yield emulator


def _least(pages: Counter[tuple[str, str]]) -> float:
    """The seconds that the connections take for all pages, or a target's rate and pace for its own."""
    of_one = max(pages.values())
    return max(
        pages.total() * PAGE_SECONDS / CONNECTIONS,
        of_one * PAGE_SECONDS,
        (of_one - BURST) / CALLS_A_SECOND,
    )


def _command_seconds(emulator: Emulator, more: str) -> float:
    """Those of `imagelake run` from its start to its end, with `more` of a configuration."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "imagelake.toml"
        config.write_text(
            f"region = {list(REGIONS)}\nrole-arn = {emulator.role_arns()}\n"
            f"page-size = {PAGE_SIZE}\nconcurrency = {CONNECTIONS}\n{more}"
        )
        started = time.monotonic()
        subprocess.run(
            [COMMAND, "run", "--config", str(config)],
            cwd=folder,
            env={**clean_environment(), **emulator.environment()},
            capture_output=True,
            check=True,
        )
        return time.monotonic() - started


def _ours(emulator: Emulator) -> int:
    """Lands every target into a folder that is thrown away; returns the pages of all."""
    with TemporaryDirectory() as folder:
        parameters = SnapshotParameters(
            lake=f"{folder}/lake",
            warehouse=Path(folder) / "imagelake.duckdb",
            region=list(REGIONS),
            role_arn=emulator.role_arns(),
            page_size=PAGE_SIZE,
            concurrency=CONNECTIONS,
        )
        planned = plan(parameters)
        started, spent = time.monotonic(), time.process_time()
        outcomes = land(parameters, planned)
        seconds, spent = time.monotonic() - started, time.process_time() - spent
    pages = sum(outcome.pages for outcome in outcomes)
    least = pages * PAGE_SECONDS / CONNECTIONS
    _say(
        f"least possible: {pages:,} pages x {PAGE_SECONDS * 1000:.0f} ms / {CONNECTIONS} = "
        f"{least:.2f} s\n"
        f"imagelake:      {seconds:.2f} s, {seconds / least:.2f} times as long, CPU {spent:.2f} s; "
        f"{sum(outcome.requests for outcome in outcomes):,} calls, "
        f"{sum(outcome.throttles for outcome in outcomes):,} refused for the rate; targets: "
        f"{dict(Counter(outcome.status for outcome in outcomes))}; "
        f"pages served twice: {_served_twice(emulator)}"
    )
    return pages


def _plain(emulator: Emulator, pages: int) -> None:
    """The same targets by a thread pool over boto3's paginator and its standard retries."""
    started = time.monotonic()
    targets = [(role, region) for role in emulator.role_arns() for region in REGIONS]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        ends = list(threads.map(lambda target: _listed(*target), targets))
    seconds = time.monotonic() - started
    lost = [code for code, _ in ends if code]
    listed = sum(count for _, count in ends)
    _say(
        f"plain boto3:    {seconds:.2f} s, {listed:,} of {pages:,} pages; {len(lost)} of "
        f"{len(targets)} targets lost: {dict(Counter(lost))}"
    )


def _listed(role_arn: str, region: str) -> tuple[str, int]:
    """The error that ended a target's listing ("" for none) and the pages that it had by then."""
    given = (
        boto3.session.Session()
        .client("sts")
        .assume_role(RoleArn=role_arn, RoleSessionName="script")["Credentials"]
    )
    client = boto3.session.Session().client(
        "imagebuilder",
        region_name=region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=Config(retries={"mode": "standard"}),
    )
    count = 0
    try:
        paginator = client.get_paginator("list_image_build_versions")
        for _ in paginator.paginate(PaginationConfig={"PageSize": PAGE_SIZE}):
            count += 1
    except ClientError as error:
        return error.response["Error"]["Code"], count
    return "", count


def _served_twice(emulator: Emulator) -> int:
    """Pages that the endpoint served more than once, by its own log."""
    served = Counter(
        (call["account"], call["region"], call["token"])
        for call in emulator.requests()
        if call["operation"] == LIST_BUILDS and call["status"] == 200
    )
    return sum(count > 1 for count in served.values())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    curve() if "--curve" in sys.argv else main()
