"""What cannot be right is not committed, and what is new is told."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.summary import lines
from lake.checks import CheckError, Context, require_right
from lake.location import open_folder
from lake.records import commits
from lake.run import Run
from lake.warehouse import connect
from lake.writer import SnapshotWriter
from schemas.check import ERROR, WARNING, checks
from schemas.tables import DATA_TABLES
from tests.listing import ACCOUNT, REGION, tell
from tests.test_writer import DAY, Rows, arrow_rows

pytestmark = pytest.mark.usefixtures("at_once")

KEY = {"account_id": "1", "region": "r"}
TARGET = {**KEY, "coverage": "whole", "status": "complete", "builds": 2}
BUILDS = [{**KEY, "arn": "a"}, {**KEY, "arn": "b"}]
Parameters = Callable[..., SnapshotParameters]


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., list[str]]:
    """The warnings on a run of two builds with what is given besides, or instead."""
    lake = open_folder(str(tmp_path / "a [lake]'s"))

    def warnings_on(rows: Rows, **context: Any) -> list[str]:
        rows = {"image_builds": BUILDS, "snapshot_targets": [TARGET], **rows}
        context = {"landed": [{**KEY, "builds": 2}], **context}
        with SnapshotWriter(lake, Run.begin(datetime.now(UTC), DAY)) as writer:
            for table, given in rows.items():
                writer.append({table: arrow_rows(table, given)})
            names = [*(table.name for table in DATA_TABLES), "snapshot_targets"]
            return require_right({n: writer.finish(n) for n in names}, Context(**context))

    return warnings_on


def test_a_right_run_passes(ask: Callable[..., list[str]]) -> None:
    """Builds without an ARN are no duplicates of each other."""
    assert ask({}) == []
    nameless = [{**KEY, "arn": None}, {**KEY, "arn": None}]
    assert ask({"image_builds": nameless}) == []


CAPTURE = {**KEY, "snapshot_date": date(2025, 11, 19)}
AMI = {**KEY, "image_arn": "a", "position": 0}
WRONG: dict[str, tuple[Rows, dict[str, Any], str]] = {
    "duplicate_builds": (
        {"image_builds": [{**KEY, "arn": "a"}] * 2},
        {},
        "duplicate_builds: A build comes twice for a target: 1/r: a has 2 rows",
    ),
    "duplicate_amis": ({"image_amis": [AMI] * 2}, {}, "1/r: a AMI 0 has 2 rows"),
    "duplicate_containers": (
        {"image_containers": [{**AMI, "uri_position": None}] * 2},
        {},
        "1/r: a container 0 has 2 rows for one URI",
    ),
    "duplicate_region_failures": (
        {"image_region_failures": [{**AMI, "ami_position": None}] * 2},
        {},
        "1/r: a failure 0 has 2 rows",
    ),
    "duplicate_targets": ({"snapshot_targets": [TARGET] * 2}, {}, "1/r: 2 rows"),
    "amis_without_build": (
        {"image_amis": [{**AMI, "image_arn": "c"}]},
        {},
        "amis_without_build: An AMI belongs to no build: 1/r: c is no build of the target",
    ),
    "containers_without_build": (
        {"image_containers": [{**AMI, "image_arn": None}]},
        {},
        "1/r: NULL is no build of the target",
    ),
    "region_failures_without_build": (
        {"image_region_failures": [{**AMI, "region": "elsewhere"}]},
        {},
        "1/elsewhere: a is no build of the target",
    ),
    "region_failures_without_ami": (
        {"image_region_failures": [{**AMI, "ami_position": 1}], "image_amis": [AMI]},
        {},
        "1/r: a lists no AMI 1",
    ),
    "lost_builds": (
        {},
        {"landed": [{**KEY, "builds": 3}]},
        "1/r: 3 builds landed, 2 were written and 2 are told",
    ),
    "lost_builds (told)": (
        {"snapshot_targets": [{**TARGET, "builds": 1}]},
        {},
        "1/r: 2 builds landed, 2 were written and 1 are told",
    ),
    "lost_builds (of no target)": (
        {"snapshot_targets": [], "image_builds": BUILDS},
        {},
        "1/r: 2 builds of a target that the snapshot does not have",
    ),
    "dropped_builds": (
        {},
        {"earlier_captures": [{**CAPTURE, "builds": 7}], "max_drop": 0.5},
        "1/r: 2 builds, where its last complete capture (2025-11-19) had 7",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_stops_the_commit_and_is_named(
    ask: Callable[..., list[str]], case: str
) -> None:
    rows, context, words = WRONG[case]
    with pytest.raises(CheckError) as refusal:
        ask(rows, **context)
    assert case.split()[0] in str(refusal.value)
    assert words in str(refusal.value)


def test_every_check_that_stops_a_commit_has_a_case_of_its_own() -> None:
    tried = {case.split()[0] for case in WRONG}
    assert {check.name for check in checks() if check.severity == ERROR} == tried
    assert {check.severity for check in checks()} == {ERROR, WARNING}


@pytest.mark.parametrize(
    ("builds", "max_drop", "coverage"),
    [(6, 0.5, "whole"), (7, 1.0, "whole"), (7, None, "whole"), (7, 0.5, "part")],
    ids=["a handful", "any may go", "accepted", "not read whole"],
)
def test_a_drop_that_may_be_is_let_through(
    ask: Callable[..., list[str]], builds: int, max_drop: float | None, coverage: str
) -> None:
    rows = {"snapshot_targets": [{**TARGET, "coverage": coverage}]}
    captures = [{**CAPTURE, "builds": builds}]
    assert ask(rows, earlier_captures=captures, max_drop=max_drop) == []


def test_many_findings_are_counted(ask: Callable[..., list[str]]) -> None:
    amis = [{**AMI, "image_arn": f"c{number}"} for number in range(8)]
    with pytest.raises(CheckError, match="and 3 more"):
        ask({"image_amis": amis})


def test_unknown_values_and_members_are_told(ask: Callable[..., list[str]]) -> None:
    """Of every column whose values are known; in hostile spelling as well."""
    extra = '{"state":{"newField":1},"a b":[{"c":null},{"c":2}]}'
    builds = [
        {**KEY, "arn": "a", "state_status": "MELTED", "platform": "Linux", "extra": extra},
        {**KEY, "arn": "b", "state_status": "MELTED", "platform": "it's {}", "extra": "{broken"},
    ]
    values, members = sorted(ask({"image_builds": builds}), reverse=True)
    assert values == (
        "unknown_values: The API sent a value that it was not known to send: "
        "1/r: image_builds.platform it's {} (1), "
        "1/r: image_builds.state_status MELTED (2)"
    )
    assert members == (
        "unknown_members: The API sent a member that no column holds; it is kept in extra: "
        "1/r: image_builds a b[].c (2), 1/r: image_builds state.newField (1)"
    )


def test_members_are_told_of_however_many_and_deep_they_are(ask: Callable[..., list[str]]) -> None:
    """In time that grows with their number, not with its square: by json_tree it took minutes."""
    large = json.dumps({"new": {f"m{number:04}": [number] * 10 for number in range(4_000)}})
    deep = '{"a":1,"a":{"":' + '{"b":[' * 200 + "2" + "]}" * 200 + "}}"
    builds = [{**KEY, "arn": "a", "extra": large}, {**KEY, "arn": "b", "extra": deep}]
    began_at = time.monotonic()
    (warning,) = ask({"image_builds": builds})
    assert time.monotonic() - began_at < 20
    told = f"1/r: image_builds a (1), 1/r: image_builds a.{'.b[]' * 200} (1), "
    assert warning.partition("kept in extra: ")[2] == (
        f"{told}1/r: image_builds new.m0000[] (10), 1/r: image_builds new.m0001[] (10), "
        "1/r: image_builds new.m0002[] (10), and 3,997 more"
    )


@pytest.mark.parametrize(
    ("table", "column"),
    [(t.name, c.name) for t in DATA_TABLES for c in t.columns if c.values],
    ids=lambda name: name,
)
def test_each_column_of_known_values_is_looked_at(
    ask: Callable[..., list[str]], table: str, column: str
) -> None:
    row = {**KEY, "arn": "a"} if table == "image_builds" else AMI
    rows = {table: [{**row, column: "NEW"}]}
    if table == "image_builds":
        rows[table].append({**KEY, "arn": "b"})
    (warning,) = ask(rows)
    assert f"{table}.{column} NEW (1)" in warning


# The whole run


def test_a_drop_stops_the_run_and_is_taken_when_accepted(
    emulator: Emulator, parameters: Parameters
) -> None:
    """The pages stay: the run that accepts asks nothing again."""
    given = parameters(region=[REGION], date=DAY)
    take_snapshot(given)
    emulator.set_faults("*", {"empty": True})
    next_day = given.model_copy(update={"date": DAY + timedelta(days=1)})
    with pytest.raises(CheckError, match=r"dropped_builds: .*: 0 builds, where its last complete"):
        take_snapshot(next_day)
    lake = open_folder(given.lake)
    assert len(list(commits(lake))) == 1
    assert not list(lake.root.glob(f"image_builds/snapshot_date={next_day.date}/*/*"))
    emulator.clear_requests()
    summary = take_snapshot(next_day.model_copy(update={"accept_drop": True}))
    assert [call for call in emulator.requests() if call["operation"] == LIST_BUILDS] == []
    assert summary.row_counts["image_builds"] == 0


@pytest.mark.slow
def test_a_drop_is_measured_from_the_last_complete_capture(
    emulator: Emulator, parameters: Parameters
) -> None:
    """A denied day lies between; and a re-run is measured from its own date's."""
    given = parameters(region=[REGION, "eu-west-1"], date=DAY)
    take_snapshot(given)
    emulator.set_faults(f"{ACCOUNT}/{REGION}", {"always": "access_denied"})
    take_snapshot(given.model_copy(update={"date": DAY + timedelta(days=1)}))
    emulator.set_faults(f"{ACCOUNT}/{REGION}", {"empty": True})
    third = given.model_copy(update={"date": DAY + timedelta(days=2)})
    with pytest.raises(CheckError, match=rf"{REGION}: 0 builds, .* \({DAY}\)"):
        take_snapshot(third)
    take_snapshot(third.model_copy(update={"accept_drop": True}))
    take_snapshot(third)


def test_what_the_api_was_not_known_to_send_is_in_summary_and_warehouse(
    emulator: Emulator, parameters: Parameters
) -> None:
    pages = tell(emulator, "unknown_members.json")
    assert pages
    summary = take_snapshot(parameters(region=[REGION]))
    (warning,) = [w for w in summary.warnings if w.startswith("unknown_members")]
    assert f"warning: {warning}" in lines(summary, "lake", "warehouse")
    with connect(parameters().warehouse) as connection:
        (told,) = connection.execute("select warnings from snapshots").fetchall()[0]
    assert json.loads(told) == list(summary.warnings)
