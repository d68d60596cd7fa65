"""The views of builds for BI tools say what the small history holds, to the last column of each row."""

from collections import Counter
from collections.abc import Iterator
from hashlib import md5
from typing import Any, Final

import duckdb
import pytest

from tests.bi_rows import NEWEST, expected, found, utc
from tests.rows import Row, Target, arn_of
from tests.small_history import (
    AMIS,
    DAYS,
    FAILED_AMI,
    GONE,
    HOME,
    LISTED,
    NOT_READ,
    URIS,
    last_sights,
)
from tests.small_runs import builds_on, history, small_lake, small_warehouse

__all__ = ["history", "small_lake", "small_warehouse"]  # fixtures are used by their names

OUTCOMES: Final = {
    "AVAILABLE": "succeeded",
    "DEPRECATED": "succeeded",
    "DISABLED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "BUILDING": "running",
}
"""By the state in which builds of the history were last seen; what the others came to is not known."""


def build_key(row: Row) -> str:
    """The lower half of the MD5 of the build's target and ARN, as a number."""
    words = "|".join((row["account_id"], row["region"], row["arn"]))
    return str(int.from_bytes(md5(words.encode(), usedforsecurity=False).digest()[8:], "little"))


def of_build(row: Row) -> dict[str, Any]:
    """The columns that every view of builds has: its keys, its instants in UTC, its days."""
    created = utc(row.get("created_at"))
    deprecation = utc(row.get("deprecation_time"))
    target = f"{row['account_id']}/{row['region']}"
    return {
        **row,
        "build_key": build_key(row),
        "image_key": f"{target}/{row['image_owner_account']}/{row['image_slug']}",
        "target_key": target,
        "created_at_utc": created,
        "created_date": created and created.date(),
        "deprecation_time_utc": deprecation,
        "deprecation_date": deprecation and deprecation.date(),
        "captured_at_utc": utc(row["captured_at"]),
    }


def builds_at(day: int, target: Target) -> dict[str, dict[str, Any]]:
    """What the capture of the date (0 to 4) lists for the target, by `slug/version/number`."""
    return {
        row["arn"].partition(":image/")[2]: {**of_build(row), "snapshot_date": DAYS[day]}
        for row in builds_on(day, target)
    }


def ever_listed() -> list[dict[str, Any]]:
    """Every build as it was last seen, whether it is listed now, and its outcome."""
    told = []
    for (target, image), day in last_sights().items():
        row = builds_at(day, target)[image]
        states = [row["state_status"]]
        if states == ["DELETED"]:  # as it was before
            states = [builds_at(d, target).get(image, {}).get("state_status") for d in range(day)]
        outcomes = {OUTCOMES.get(state, "other") for state in states}
        outcome = "succeeded" if "succeeded" in outcomes else outcomes.pop()
        told.append({**row, "is_present": day == NEWEST[target], "outcome": outcome})
    return told


def current() -> Iterator[tuple[str, dict[str, Any]]]:
    """The builds that are listed now."""
    for target, day in NEWEST.items():
        yield from builds_at(day, target).items()


@pytest.mark.slow
def test_builds_are_all_that_were_ever_listed(history: duckdb.DuckDBPyConnection) -> None:
    told = expected("bi.builds", ever_listed())
    assert found(history, "bi.builds") == told
    assert Counter(row["is_present"] for row in told) == {True: 16, False: 2}


def test_amis_are_those_of_the_listed_builds(history: duckdb.DuckDBPyConnection) -> None:
    """One failed though its build is AVAILABLE; one of a DELETED build is there and not available."""
    told = []
    for image, row in current():
        for position, place in enumerate(AMIS.get(image, ())):
            state = "FAILED" if (image, place) == FAILED_AMI else row["state_status"]
            told.append(
                {
                    **row,
                    "ami_key": f"{row['build_key']}/{position}",
                    "position": position,
                    "ami_region": place,
                    "ami_account_id": row["account_id"],
                    "ami_id": f"ami-{image}-{place}",
                    "build_state_status": row["state_status"],
                    "ami_state_status": state,
                    "is_available": row["state_status"] == state == "AVAILABLE",
                }
            )
    assert found(history, "bi.amis") == expected("bi.amis", told)
    assert Counter(row["is_available"] for row in told) == {True: 6, False: 2}


def test_containers_are_the_uris_of_the_listed_builds(history: duckdb.DuckDBPyConnection) -> None:
    """The tag `latest` has moved to the newer build."""
    registry = f"{HOME[0]}.dkr.ecr.{HOME[1]}.amazonaws.com"
    newest = arn_of(HOME, "app/1.1.0/1")
    told = []
    for image, row in current():
        for tag, digest in URIS.get(image, ()):
            uri = f"{registry}/app" + (f":{tag}" if tag else f"@{digest}")
            owner = newest if tag == "latest" else row["arn"]
            told.append(
                {
                    **row,
                    "container_key": f"{row['build_key']}/{uri}",
                    "image_uri": uri,
                    "container_region": HOME[1],
                    "registry": registry,
                    "repository": "app",
                    "tag": tag,
                    "digest": digest,
                    "owner_arn": owner,
                    "is_owner": owner == row["arn"],
                }
            )
    assert found(history, "bi.containers") == expected("bi.containers", told)
    assert Counter(row["is_owner"] for row in told) == {True: 3, False: 1}


def test_outcomes_are_counted_by_the_day_of_creation(history: duckdb.DuckDBPyConnection) -> None:
    """Builds that are gone count too."""
    names = (
        *("created_date", "account_id", "region", "image_owner_account", "image_slug"),
        *("build_type", "platform", "image_key", "target_key"),
    )
    builds = ever_listed()
    told: dict[tuple[Any, ...], Counter[str]] = {}
    for row in builds:
        counts = told.setdefault(tuple(row.get(name) for name in names), Counter())
        counts.update(["build_count", f"{row['outcome']}_count"])
    kinds = (*("succeeded", "failed", "cancelled", "running", "other"), "build")
    rows: list[dict[str, Any]] = [
        dict(zip(names, key, strict=True))
        | {f"{kind}_count": count[f"{kind}_count"] for kind in kinds}
        for key, count in told.items()
    ]
    found_rows = found(history, "bi.build_outcomes")
    assert len({row.pop("outcome_key") for row in found_rows}) == len(rows)
    without_key = sorted(found_rows, key=repr)
    assert without_key == expected("bi.build_outcomes", rows)
    assert sum(row["build_count"] for row in without_key) == len(builds) == 18


def changes_of(
    target: Target, image: str, states: tuple[str | None, ...]
) -> Iterator[dict[str, Any]]:
    """The changes of a build's state between the captures that tell."""
    before: str | None = None
    previous: int | None = None
    was_listed = False
    for day, state in enumerate(states):
        if state is NOT_READ:
            continue
        if (state or None) != before:
            kind = "changed" if before else "reappeared" if was_listed else "first_seen"
            shown = previous if state == GONE and previous is not None else day
            row = builds_at(shown, target)[image]
            yield {
                **row,
                "snapshot_date": DAYS[day],
                "change_key": f"{row['build_key']}/{DAYS[day]}",
                "change": "disappeared" if state == GONE else kind,
                "from_status": before,
                "to_status": state or None,
                "from_date": None if previous is None else DAYS[previous],
            }
        was_listed = was_listed or bool(state)
        before, previous = state or None, day


def test_changes_are_between_captures_that_tell(history: duckdb.DuckDBPyConnection) -> None:
    """A target that could not be read changes nothing."""
    told = [
        change
        for (target, image), states in LISTED.items()
        for change in changes_of(target, image, states)
    ]
    assert found(history, "bi.state_changes") == expected("bi.state_changes", told)
    kinds = Counter(row["change"] for row in told)
    assert kinds == {"first_seen": 18, "changed": 5, "disappeared": 3, "reappeared": 1}
