"""What must hold of the analysis views over every history, on some drawn at random."""

import random
from collections.abc import Iterator
from datetime import timedelta

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.view import views
from tests.analysis import key_of
from tests.rows import Row, Target, ami, build, container_uri, covered, rows
from tests.small_history import DAYS, HOME, LISTED, LONE, OTHER, at
from tests.small_runs import history, small_lake, small_warehouse
from tests.test_analysis_rules import OUTCOMES
from tests.test_writer import Rows, commit_rows

__all__ = ["history", "small_lake", "small_warehouse"]  # fixtures are used by their names

CASES = (0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2)))
STATUSES = [*OUTCOMES, *(["AVAILABLE"] * len(OUTCOMES)), "FAILED", "FAILED"]


def random_run(dice: random.Random, day: int) -> Rows:
    """Builds of few images in three targets, with holes, twins and lists that name a place twice."""
    table: dict[str, list[Row]] = {
        name: [] for name in ("image_builds", "image_amis", "image_containers", "snapshot_targets")
    }
    for target in (HOME, OTHER, LONE):
        coverage = dice.choice(["whole", "whole", "filtered", "none"])
        builds = [] if coverage == "none" else dice.sample(range(60), dice.randrange(20, 50))
        status = "failed" if coverage == "none" else "complete"
        table["snapshot_targets"].append(covered(target, DAYS[day], status, coverage, len(builds)))
        for number in builds:
            image = f"{'abc'[number % 3]}/1.{number % 7}.0/{number}"
            row = dict(build(target, DAYS[day], image, dice.choice(STATUSES)))
            row["created_at"] = dice.choice([None, at(1, 0) + timedelta(hours=number * 9)])
            row["build_type"] = dice.choice([None, "SCHEDULED"])
            row["deprecation_time"] = dice.choice([None, at(20, number % 24)])
            row["lifecycle_execution_id"] = dice.choice([None, "lce-1", "lce-2"])
            row["state_reason"] = dice.choice([None, f"exit status {number}", "out of memory"])
            row["tags"] = dice.choice([None, [], [("Team", "x"), ("", None)]])
            if number % 13 == 0:  # an ARN that tells nothing
                row |= {"image_slug": None, "image_owner_account": None, "version_major": None}
            table["image_builds"].append(row)
            for position in range(dice.randrange(4)):
                region, state = dice.choice([None, "x", "y"]), dice.choice(STATUSES)
                listed = ami(target, DAYS[day], image, position, region, state)
                table["image_amis"].append(listed)
            for position in range(dice.randrange(3)):
                tag = dice.choice(["latest", f"1.{number % 7}"])
                uri = container_uri(target, DAYS[day], image, position, "app", tag)
                table["image_containers"].append(uri)
    return {**table, "snapshots": [{"parameters": '{"required_tag":["Owner"]}'}]}


def write_random_history(folder: Folder, seed: int) -> list[Rows]:
    """Commits a run of each date, and one that is superseded; returns those that show."""
    dice = random.Random(seed)  # noqa: S311 - a history, no secret
    runs = [random_run(dice, day) for day in range(len(DAYS))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        commit_rows(folder, DAYS[2], random_run(dice, 2))
        for day, run in zip(DAYS, runs, strict=True):
            commit_rows(folder, day, run)
    return runs


@pytest.fixture(scope="module", params=CASES)
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Rows]]]:
    """A random history and its runs, the newest of each date."""
    root = tmp_path_factory.mktemp("drawn")
    folder = open_folder(str(root / "lake"))
    runs = write_random_history(folder, request.param)
    publish(folder, root / "imagelake.duckdb")
    with connect(root / "imagelake.duckdb") as connection:
        yield connection, runs


Drawn = tuple[duckdb.DuckDBPyConnection, list[Rows]]


def test_every_grain_is_a_key(history: duckdb.DuckDBPyConnection, drawn: Drawn) -> None:
    """On the small history and on every random one."""
    for connection in (history, drawn[0]):
        for view in views():
            key = ", ".join(key_of(view))
            twice = f"select {key} from {view.name} group by {key} having count(*) > 1"  # noqa: S608 - the views' own words
            assert rows(connection, twice) == [], view.name


def test_the_last_known_state_is_found_as_python_finds_it(drawn: Drawn) -> None:
    """Over the captures of the kind that the target's current rows are of."""
    connection, runs = drawn
    covers = {
        ((row["account_id"], row["region"]), day): row["coverage"]
        for day, run in enumerate(runs)
        for row in run["snapshot_targets"]
    }
    expected = {}
    for target in (HOME, OTHER, LONE):
        kind = next(
            (kind for kind in ("whole", "filtered") if kind in _kinds(covers, target)), None
        )
        days = [day for day in range(len(DAYS)) if covers[target, day] == kind]
        for day in days:
            for row in runs[day]["image_builds"]:
                if (row["account_id"], row["region"]) == target:
                    expected[row["arn"]] = (DAYS[day], row["state_status"], day == days[-1])
    found = rows(
        connection, "select arn, snapshot_date, state_status, is_present from last_known_builds"
    )
    assert {arn: tuple(rest) for arn, *rest in found} == expected
    assert len(found) == len(expected) > 20


def _kinds(covers: dict[tuple[Target, int], str], target: Target) -> set[str]:
    return {coverage for (of, _), coverage in covers.items() if of == target}


def test_sums_of_a_random_history_agree(drawn: Drawn) -> None:
    """No build is lost or counted twice between the views."""
    connection, _ = drawn
    (outcomes,) = rows(
        connection,
        """
        select sum(build_count)::bigint,
            sum(succeeded_count + failed_count + cancelled_count + running_count + other_count)::bigint
        from build_outcomes_daily
        """,
    )
    ((known,),) = rows(connection, "select count(*) from last_known_builds")
    assert outcomes == (known, known)
    ((failed, hot),) = rows(
        connection,
        "select (select count(*) from failed_builds), sum(build_count)::bigint from failure_hotspots",
    )
    assert failed == hot > 0
    aged = "select sum(build_count)::bigint from image_age"
    imaged = "select count(*) from current_builds where image_slug is not null"
    assert rows(connection, aged) == rows(connection, imaged)
    ((count,),) = rows(connection, "select count(*) from ami_region_coverage where last_arn <> ''")
    placed = rows(
        connection,
        """
        select count(*), count(*) filter (where g.build_arn = c.last_arn and g.ami_id = c.last_ami_id)
        from ami_region_coverage as c
        join golden_amis as g using (account_id, region, image_slug, ami_region, ami_account_id)
        """,
    )
    assert placed == [(count, count)]
    assert count > 5


def test_states_of_the_small_history_are_all_that_the_api_knows_but_one() -> None:
    """So that what is told of it is told of states that there are."""
    told = {state for states in LISTED.values() for state in states if state}
    assert told - set(OUTCOMES) == set()
    assert "ARCHIVED" in told
