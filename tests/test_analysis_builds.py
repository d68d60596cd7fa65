"""The analysis views of builds over the small history: what became of them, AMIs, URIs and tags."""

from collections import Counter

import duckdb

from tests.analysis import API, APP, BATCH, DB, TOOL, WEB
from tests.rows import arn_of, dicts, filled, rows
from tests.small_history import DAYS, HOME, LONE, OTHER, at, last_sights
from tests.small_runs import builds_on, history, small_lake, small_warehouse

__all__ = ["history", "small_lake", "small_warehouse"]  # fixtures are used by their names


def test_last_known_builds_are_the_newest_sights(history: duckdb.DuckDBPyConnection) -> None:
    """Those that are gone too, each as its newest capture had it, to the last column."""
    expected = []
    for (target, image), day in last_sights().items():
        (row,) = (b for b in builds_on(day, target) if b["arn"] == arn_of(target, image))
        newest = 0 if target == LONE else 4
        expected.append({**row, "snapshot_date": DAYS[day], "is_present": day == newest})
    found = dicts(history, "select * exclude (run_id) from last_known_builds order by arn")
    told = [filled(row) for row in found]
    assert told == sorted(map(filled, expected), key=lambda row: row["arn"])
    assert Counter(row["is_present"] for row in told) == {True: 16, False: 2}


def test_present_builds_are_the_current_ones(history: duckdb.DuckDBPyConnection) -> None:
    """In every column, the run included."""
    present = "select * exclude (is_present) from last_known_builds where is_present order by all"
    assert rows(history, present) == rows(history, "from current_builds order by all")


def test_builds_that_are_gone_count_in_their_days_outcomes(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """By UTC days; 1.9.0/2 failed and was deleted, api 0.9.0/1 was AVAILABLE before."""
    user, scheduled = ("USER_INITIATED", "Linux"), ("SCHEDULED", "Linux")
    linux, windows = (None, "Linux"), (None, "Windows")
    assert rows(history, "from build_outcomes_daily order by all") == [
        # day, image, build type, platform, builds, succeeded, failed, cancelled, running, other, rate
        (at(10, 0).date(), *BATCH, *windows, 1, 0, 1, 0, 0, 0, 0.0),
        (at(12, 0).date(), *BATCH, *windows, 1, 0, 1, 0, 0, 0, 0.0),
        (at(13, 0).date(), *API, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(14, 0).date(), *APP, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(14, 0).date(), *DB, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(15, 0).date(), *TOOL, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(15, 0).date(), *WEB, *scheduled, 1, 0, 1, 0, 0, 0, 0.0),
        (at(15, 0).date(), *WEB, *user, 1, 1, 0, 0, 0, 0, 1.0),
        (at(15, 0).date(), *API, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(16, 0).date(), *DB, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(16, 0).date(), *API, *linux, 1, 0, 0, 1, 0, 0, None),
        (at(16, 0).date(), *BATCH, *windows, 1, 0, 0, 0, 1, 0, None),
        (at(17, 0).date(), *WEB, *scheduled, 1, 1, 0, 0, 0, 0, 1.0),
        (at(18, 0).date(), *APP, *linux, 1, 1, 0, 0, 0, 0, 1.0),
        (at(18, 0).date(), *WEB, *scheduled, 1, 0, 0, 0, 1, 0, None),
        (at(19, 0).date(), *WEB, *scheduled, 1, 0, 1, 0, 0, 0, 0.0),
        (at(20, 0).date(), *DB, *linux, 1, 0, 0, 0, 1, 0, None),
        (None, *API, *linux, 1, 0, 0, 0, 0, 1, None),
    ]


def test_one_failure_of_two_builds_is_one_hotspot(history: duckdb.DuckDBPyConnection) -> None:
    """Whatever its ids and addresses, and the component's account, region and version, are."""
    newest = "exit status 1 on i-0aaaabbbbcccc0002 at 10.0.0.2"
    timed_out = "Workflow Execution ID 'wf-0b1c2d3e-1111-2222-3333-444455556666' failed"
    assert rows(history, "from failure_hotspots order by build_count desc") == [
        (
            *("ApplyBuildComponents", "agent", "build", "Install", "ExecuteBash"),
            "exit status <n> on i-<id> at <ip>",
            *(2, 2, at(12, 8), at(19, 10)),
            *(arn_of(HOME, "web/1.10.0/2"), newest, "/aws/imagebuilder/web"),
        ),
        (
            *(None, None, None, None, None),
            "Workflow Execution ID 'wf-<uuid>' failed",
            *(1, 1, at(10, 8), at(10, 8)),
            *(arn_of(OTHER, "batch/0.8.0/1"), timed_out, None),
        ),
    ]


def test_a_region_that_the_newest_build_misses_says_so(history: duckdb.DuckDBPyConnection) -> None:
    """1.10.0 is the newest, though its eu-west-1 AMI failed: 1.9.0 was the last to get there."""
    web = arn_of(HOME, "web/1.10.0/1")
    older = arn_of(HOME, "web/1.9.0/1")
    db, api, tool = (
        arn_of(HOME, "db/1.1.0/1"),
        arn_of(OTHER, "api/1.0.0/1"),
        arn_of(LONE, "tool/1.0.0/1"),
    )
    assert rows(history, "from ami_region_coverage order by all") == [
        # image, name, AMI region and account, considered, reached, newest, missing, last, its AMI
        (*TOOL, "TOOL", *LONE[::-1], 1, 1, tool, False, tool, "ami-tool/1.0.0/1-ap-south-1"),
        (*DB, "DB", *HOME[::-1], 1, 1, db, False, db, "ami-db/1.1.0/1-us-east-1"),
        (
            *(*WEB, "Web Server", "eu-west-1", HOME[0], 2, 1, web, True, older),
            "ami-web/1.9.0/1-eu-west-1",
        ),
        (
            *(*WEB, "Web Server", "us-east-1", HOME[0], 2, 2, web, False, web),
            "ami-web/1.10.0/1-us-east-1",
        ),
        (*API, "API", *OTHER[::-1], 1, 1, api, False, api, "ami-api/1.0.0/1-eu-west-1"),
    ]


def test_a_required_key_that_nobody_uses_shows(history: duckdb.DuckDBPyConnection) -> None:
    """Owner, as the newest snapshot was told; Legacy was asked for by the first one only."""
    assert rows(history, "from tag_coverage order by all") == [
        # target, key, required, builds, tagged, untagged, share
        (*LONE, "Owner", True, 1, 0, 1, 0.0),
        (*LONE, "Team", True, 1, 0, 1, 0.0),
        (*HOME, "Owner", True, 8, 0, 8, 0.0),
        (*HOME, "Stage", False, 8, 1, 7, 0.125),
        (*HOME, "Team", True, 8, 1, 7, 0.125),
        (*OTHER, "Owner", True, 7, 0, 7, 0.0),
        (*OTHER, "Team", True, 7, 1, 6, 1 / 7),
    ]


def test_a_tag_belongs_to_the_newest_build_that_lists_it(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """`latest` moved on; the digest is the newest build's alone."""
    query = """
        select account_id, region, image_arn, image_uri, registry, repository, tag, digest,
            container_region, name, image_owner_account, image_slug, semantic_version,
            build_number, state_status, created_at, snapshot_date, captured_at, owner_arn, is_owner
        from container_images order by image_arn, image_uri
    """
    registry = "111111111111.dkr.ecr.us-east-1.amazonaws.com"
    first, second = arn_of(HOME, "app/1.0.0/1"), arn_of(HOME, "app/1.1.0/1")
    place = ("us-east-1", "APP", HOME[0], "app")
    old = (*place, "1.0.0", 1, "AVAILABLE", at(14, 10), DAYS[4], at(20, 12))
    new = (*place, "1.1.0", 1, "AVAILABLE", at(18, 13), DAYS[4], at(20, 12))
    uri = f"{registry}/app"
    version = (f"{uri}:1.0.0", registry, "app", "1.0.0", None)
    latest = (f"{uri}:latest", registry, "app", "latest", None)
    by_digest = (f"{uri}@sha256:abc", registry, "app", None, "sha256:abc")
    assert rows(history, query) == [
        (*HOME, first, *version, *old, first, True),
        (*HOME, first, *latest, *old, second, False),
        (*HOME, second, *latest, *new, second, True),
        (*HOME, second, *by_digest, *new, second, True),
    ]
