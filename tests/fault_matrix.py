"""Every fault of the emulator at every stage of a run, in a few runs over many targets; as a table.

Each cell is a target of its own, so that all of them fail beside each other and wait together. What
each ends as is read from the tables of the lake. `python -m tests.fault_matrix` writes data/faults.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from extract.emulator import Emulator, start
from extract.emulator.faults import BREAKAGES, ERRORS
from extract.errors import TargetError
from extract.sessions import Sessions
from extract.targets import ALL_REGIONS, Scope, resolve_targets
from flows.parameters import SnapshotParameters
from flows.pipeline import PLAIN, take_snapshot
from tests.reassemble import table_rows

PAGE: Final = Path(__file__).parents[1] / "data/faults.md"
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
HOME: Final = "999999999999"
PATIENT_SECONDS: Final = 120.0
HURRIED_SECONDS: Final = 3.0
"""How long targets are read at the most: those whose fault outlasts every patience, not so long."""
OUTCOMES: Final = (*ERRORS, *sorted(BREAKAGES), "hang:60")
OUTLASTING: Final = {"once": {"hang:60"}, "for good": {"hang:60", "429"}}
RHYTHMS: Final = ("once", "for good")
STAGES: Final = (
    *("who is asking", "signing in", "finding the regions", "first page", "later page"),
    *("last page", "the images of others", "an image's builds"),
)
LISTING: Final = dict(zip(STAGES[3:6], zip(REGIONS, (0, 1, 2), strict=True), strict=True))
"""By stage of a target's own builds, its region and the calls before it: of three pages."""
OTHERS: Final = dict(zip(STAGES[6:], zip(REGIONS, (0, 2), strict=False), strict=True))
"""By stage of the images of another owner: the list of two images, then the second one's builds."""
WHOLE_TARGET: Final[dict[str, dict[str, Any]]] = {
    "throttle": {"throttle": {"rate": 20, "burst": 1}},
    "throttle (all calls)": {"throttle": {"rate": 0.001, "burst": 1, "retry_after": 3600}},
    "latency_ms": {"latency_ms": 100},
    "page_sizes_max": {"page_sizes_max": 25},
    "short_pages": {"short_pages": True},
    "repeat_last": {"repeat_last": True},
    "unknown_members": {"unknown_members": True},
    "empty": {"empty": True},
    "same_token": {"same_token": True},
    "expire_token_after_pages": {"expire_token_after_pages": 1},
    "region_disabled": {"region_disabled": True},
    "region_disabled (all regions)": {"region_disabled": True},
    "sts_denied": {"sts_denied": True},
    "external_id": {"external_id": "wanted"},
    "list_regions_denied": {"list_regions_denied": True},
}
"""What a target or its account has for the whole run, by name; what differs is in brackets."""
KINDS: Final = ("its region", "every region")

Cells = dict[tuple[str, str], str]
"""By fault and stage, or by fault and kind, what came of it."""


def role(account: str) -> str:
    return f"arn:aws:iam::{account}:role/imagelake"


def measured_all() -> tuple[dict[str, Cells], Cells]:
    """By rhythm, and of whole targets; at a time, since most of it is waiting."""
    with ProcessPoolExecutor(len(RHYTHMS) + 1, get_context("spawn")) as processes:
        whole = processes.submit(measured_whole)
        return dict(zip(RHYTHMS, processes.map(measured, RHYTHMS), strict=True)), whole.result()


def measured(rhythm: str) -> Cells:
    """What comes of each outcome at each stage, where it is the next call's or every call's."""
    outlasting = [outcome for outcome in OUTCOMES if outcome in OUTLASTING[rhythm]]
    others = [outcome for outcome in OUTCOMES if outcome not in outlasting]
    return {
        **_measured(others, rhythm, PATIENT_SECONDS),
        **_measured(outlasting, rhythm, HURRIED_SECONDS),
    }


def _measured(outcomes: Sequence[str], rhythm: str, seconds: float) -> Cells:
    """Each outcome has an account for each of these: own builds, signing in, regions, others'."""
    accounts = {
        outcome: [f"{number:010}{part:02}" for part in range(4)]
        for number, outcome in enumerate(outcomes, 1)
    }
    cells: Cells = {}
    with _emulator([HOME, *chain(*accounts.values())], 0) as (emulator, folder):
        for outcome, (listing, signing, finding, foreign) in accounts.items():
            script = partial(_script, outcome, rhythm)
            cells[outcome, "who is asking"] = _caller(emulator, script(0), seconds)
            for region, before in LISTING.values():
                _put(emulator, listing, region, script(before))
            for region, before in OTHERS.values():
                _put(emulator, foreign, region, script(before))
            for account, service in ((signing, "sts"), (finding, "list_regions")):
                _put(emulator, account, REGIONS[0], {})
                emulator.set_faults(f"{account}/*", {service: script(0)})
        own, foreign_own = [], []
        for listing, signing, finding, foreign in accounts.values():
            own.append({"role_arn": role(listing), "region": list(REGIONS)})
            own.append({"role_arn": role(signing), "region": [REGIONS[0]]})
            own.append({"role_arn": role(finding), "region": ["all"]})
            foreign_own.append({"role_arn": role(foreign), "region": list(REGIONS[:2])})
        ends = _ends(folder / "own", own, seconds)
        ends |= _ends(folder / "others", foreign_own, seconds, owner=["Amazon"])
    for outcome, (listing, signing, finding, foreign) in accounts.items():
        cells[outcome, "signing in"] = ends[signing, REGIONS[0]]
        unknown = ends.get((finding, ALL_REGIONS))
        cells[outcome, "finding the regions"] = unknown or ends[finding, REGIONS[0]]
        for account, stages in ((listing, LISTING), (foreign, OTHERS)):
            for stage, (region, _) in stages.items():
                cells[outcome, stage] = ends[account, region]
    return cells


def measured_whole() -> Cells:
    """What comes of the faults that a target has for the whole run."""
    outlasting = ["throttle (all calls)"]
    others = [fault for fault in WHOLE_TARGET if fault not in outlasting]
    return {
        **_measured_whole(others, PATIENT_SECONDS),
        **_measured_whole(outlasting, HURRIED_SECONDS),
    }


def _measured_whole(faults: Sequence[str], seconds: float) -> Cells:
    accounts = {
        (fault, kind): f"{number:010}{part:02}"
        for number, fault in enumerate(faults, 1)
        for part, kind in enumerate(KINDS)
    }
    asked = []
    with _emulator([HOME, *accounts.values()], 260) as (emulator, folder):
        for (fault, kind), account in accounts.items():
            region = "*" if fault.endswith(("denied", "id", "(all regions)")) else REGIONS[0]
            emulator.set_faults(f"{account}/{region}", WHOLE_TARGET[fault])
            regions = list(REGIONS[:2]) if kind == KINDS[0] else ["all"]
            asked.append({"role_arn": role(account), "region": regions})
        ends = _ends(folder / "whole", asked, seconds)
    return {
        key: ends.get((account, REGIONS[0])) or ends.get((account, ALL_REGIONS)) or "not read"
        for key, account in accounts.items()
    }


@contextmanager
def _emulator(accounts: Sequence[str], builds: int) -> Iterator[tuple[Emulator, Path]]:
    """An emulator that the AWS chain points at, and a folder; what waits, waits shortly."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        emulator = stack.enter_context(start(accounts=accounts, regions=REGIONS, builds=builds))
        stack.enter_context(patch.dict("os.environ", emulator.environment()))
        stack.enter_context(patch("extract.patience._SHORTEST_BACKOFF_SECONDS", 0.02))
        waits = "botocore.retryhandler.delay_exponential"  # botocore's own, of signing in
        stack.enter_context(patch(waits, lambda **_: 0.02))
        yield emulator, Path(folder)


def _script(outcome: str, rhythm: str, before: int) -> dict[str, Any]:
    if rhythm == "once":
        return {"errors": ["ok"] * before + [outcome]}
    return {"errors": ["ok"] * before, "always": outcome}


def _put(emulator: Emulator, account: str, region: str, faults: Mapping[str, Any]) -> None:
    """Three pages of a build each, two images of another owner, and the faults."""
    emulator.set_faults(f"{account}/{region}", faults)
    builds = [
        json.dumps({"imageSummaryList": [{"arn": f"{account}/{region}/{number}"}]})
        for number in range(3)
    ]
    images = {"imageVersionList": [{"arn": _image(number)} for number in range(2)]}
    emulator.set_answers(account, region, builds)
    emulator.set_answers(account, region, [json.dumps(images)], "ListImages")


def _image(number: int) -> str:
    return f"arn:aws:imagebuilder:us-east-1:aws:image/image-{number}/1.0.0"


def _caller(emulator: Emulator, script: Mapping[str, Any], seconds: float) -> str:
    """What comes of a run that cannot tell whose credentials it has."""
    emulator.set_faults(f"{HOME}/*", {"sts": dict(script)})
    try:
        (target,) = resolve_targets(
            Sessions(read_timeout=min(60, seconds)), Scope(regions=(REGIONS[0],))
        )
    except TargetError:
        return "no run"
    assert target.account_id == HOME
    return "whole"


def _ends(
    lake: Path, accounts: Sequence[Mapping[str, Any]], seconds: float, **more: Any
) -> dict[tuple[str, str], str]:
    """By account and region, what a run over the accounts makes of each."""
    parameters = SnapshotParameters.model_validate(
        {
            "lake": str(lake),
            "warehouse": lake.with_suffix(".duckdb"),
            "target_seconds": seconds,
            "concurrency": 32,
            "accounts": accounts,
            **more,
        }
    )
    take_snapshot(parameters, replace(PLAIN, publish=lambda _: True))  # the files tell
    rows = table_rows(lake, "snapshot_targets")
    return {(row["account_id"], row["region"]): _end(row) for row in rows}


def _end(row: Mapping[str, Any]) -> str:
    """How a target ended, in a few words."""
    assert (row["builds"] > 0) <= (row["coverage"] != "none")
    if row["status"] == "complete":
        return "whole" if row["builds"] else "whole, empty"
    if row["status"] == "skipped":
        return f"skipped: {row['error_code']}"
    if row["coverage"] == "none":
        return f"nothing: {row['error_code']}"
    return f"{'part, goes on' if row['resume_token'] else 'part'}: {row['error_code']}"


def page(by_rhythm: Mapping[str, Cells], whole: Cells) -> str:
    """The tables, in words that stand for themselves."""
    titles = {
        "once": "A fault that passes: the call fails once",
        "for good": "A fault that stays: this call and every one after it",
    }
    lines = [WORDS]
    for rhythm, title in titles.items():
        lines += [f"\n## {title}\n", *_table("Fault", OUTCOMES, STAGES, by_rhythm[rhythm])]
    lines += [f"\n## Faults of a whole target\n\n{WHOLE_WORDS}\n"]
    return "\n".join([*lines, *_table("Fault", tuple(WHOLE_TARGET), KINDS, whole)]) + "\n"


def _table(head: str, rows: Sequence[str], columns: Sequence[str], cells: Cells) -> Iterator[str]:
    yield f"| {head} | {' | '.join(columns)} |"
    yield f"|{' --- |' * (len(columns) + 1)}"
    for row in rows:
        named = " | ".join(cells[row, column] for column in columns)
        yield f"| `{row.partition(' ')[0]}`{row[len(row.partition(' ')[0]) :]} | {named} |"


WORDS: Final = """\
# What comes of each fault at each stage of a run

Each fault of the emulator (`imagelake emulator --faults FILE`), where it happens, and how the target
ends that has it. No fault of one target touches another. Written by `python -m tests.fault_matrix`,
from runs; a test takes the same runs and compares.

- **whole**: every build was read; the run had the fault behind it.
- **part, goes on**: what was read until then shows as a part, and `--starting-token` goes on from
  there; **part**: the same, without a token, since the listing is of many.
- **nothing**: the target failed and shows nothing, or what its date had before; never an empty target.
- **skipped**: the region is not there for the account; that is no failure.
- **no run**: nothing could be asked at all; the error names what to do, and nothing is committed.

`hang:60` and a `429` that stays outlast the time that these targets have, a few seconds. Where
account:ListRegions is denied, ec2:DescribeRegions is asked, which the emulator does not have.

The stages: *who is asking* (the caller's account, where no role is named), *signing in* (AssumeRole),
*finding the regions* (`--region all`), the first, a later and the last page of a target's own builds,
and of another owner's (`--owner Amazon`) *the images of others* and *an image's builds*."""

WHOLE_WORDS: Final = """\
For the whole run, of a target whose region was named beside a healthy one, and of one of an account
whose regions were asked for (`--region all`). *Not read*: the region is not among the account's."""


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(*measured_all()))
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
