"""The views for BI tools that are flat copies of other views say what those do; the others, by hand."""

from collections.abc import Iterable
from datetime import date, datetime

import duckdb
import pytest

from lake.warehouse import connect
from tests.filtered_history import warehouse as filtered_warehouse
from tests.hostile_lake import hostile_warehouse
from tests.rows import Target, rows
from tests.small_history import DAYS, HOME, LONE, OTHER
from tests.small_runs import history, small_lake, small_warehouse

pytestmark = pytest.mark.slow

__all__ = ["filtered_warehouse", "history", "hostile_warehouse", "small_lake", "small_warehouse"]

COPIES = {
    "bi.build_completions": "build_completions",
    "bi.coverage": "snapshot_targets",
    "bi.deprecations": "deprecations",
    "bi.failed_builds": "failed_builds",
    "bi.golden_amis": "golden_amis",
    "bi.image_age": "image_age",
    "bi.region_coverage": "ami_region_coverage",
    "bi.snapshots": "snapshots",
    "bi.stuck_builds": "stuck_builds",
    "bi.tags": "current_tags",
    "bi.target_freshness": "target_freshness",
    "bi.targets": "target_freshness",
}
"""By view for BI tools, the one of the default schema that has the same rows."""
FEWEST_SHARED = {"bi.tags": 5}


@pytest.mark.parametrize("name", ["small_warehouse", "hostile_warehouse", "filtered_warehouse"])
@pytest.mark.parametrize(("view", "of"), COPIES.items())
def test_a_flat_copy_has_its_views_rows(
    request: pytest.FixtureRequest, name: str, view: str, of: str
) -> None:
    """In all columns that both have; an instant is the same one, in UTC without a zone."""
    with connect(request.getfixturevalue(name)) as connection:
        theirs = {column for column, *_ in rows(connection, f"describe {of}")}
        shared = {
            column: column if column in theirs else f"{of_utc} at time zone 'UTC'"
            for column, *_ in rows(connection, f"describe {view}")
            if column in theirs or (of_utc := column.removesuffix("_utc")) in theirs
        }
        assert len(shared) >= FEWEST_SHARED.get(view, 7)
        connection.begin()  # so that now() is the same for both
        told = rows(connection, ordered(shared, view))
        assert told == rows(connection, ordered(shared.values(), of))


def ordered(columns: Iterable[str], view: str) -> str:
    return f"select {', '.join(columns)} from {view} order by all"  # noqa: S608 - the views' own words


def test_images_are_all_that_were_ever_listed(history: duckdb.DuckDBPyConnection) -> None:
    """Named as their newest build is; an image of which a build is gone counts it."""
    found = rows(history, "from bi.images order by image_slug")
    assert found == [
        (*keys(OTHER, "api"), "API", "Linux", "AMI", 4, 4, True, *created((13, 9), (16, 14))),
        (*keys(HOME, "app"), "APP", "Linux", "DOCKER", 2, 2, True, *created((14, 10), (18, 13))),
        (*keys(OTHER, "batch"), "BATCH", "Windows", "AMI", 3, 3, True, *created((10, 8), (16, 6))),
        (*keys(HOME, "db"), "DB", "Linux", "AMI", 3, 2, True, *created((14, 9), (20, 9))),
        (*keys(LONE, "tool"), "TOOL", "Linux", "AMI", 1, 1, True, *created((15, 8), (15, 8))),
        (
            *(*keys(HOME, "web"), "Web Server", "Linux", "AMI", 5, 4, True),
            *created((15, 0, 30), (19, 10)),
        ),
    ]


def keys(target: Target, slug: str) -> tuple[str, ...]:
    """The columns that name an image: its key and its target's, and what they are of."""
    account, region = target
    return (
        f"{account}/{region}/{account}/{slug}",
        f"{account}/{region}",
        account,
        region,
        account,
        slug,
    )


def created(first: tuple[int, ...], newest: tuple[int, ...]) -> tuple[datetime, datetime, date]:
    """Times of November 2025, and the day of the second."""
    return (
        datetime(2025, 11, *first),  # type: ignore[arg-type]  # day, hour and maybe minutes
        datetime(2025, 11, *newest),  # type: ignore[arg-type]
        date(2025, 11, newest[0]),
    )


def test_states_last_from_the_capture_that_shows_them_first(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """Whole where both ends were seen. A capture that failed ends none, one without the build does."""
    asked = """
        select split_part(arn, ':image/', 2) as build, state_status, next_status,
            from_date, to_date, day_count, is_over, is_whole
        from bi.state_durations
        where image_slug in ('web', 'db', 'api')
        order by build, from_date
    """
    first, second, third, fourth, fifth = DAYS
    assert rows(history, asked) == [
        ("api/0.9.0/1", "AVAILABLE", "DISABLED", first, second, 1, True, False),
        ("api/0.9.0/1", "DISABLED", "DELETED", second, fifth, 3, True, True),
        ("api/0.9.0/1", "DELETED", None, fifth, None, 0, False, False),
        ("api/1.0.0/1", "AVAILABLE", None, first, None, 4, False, False),
        ("api/1.1.0/1", "CANCELLED", None, second, None, 3, False, False),
        ("api/1.2.0/1", "ARCHIVED", None, fifth, None, 0, False, False),
        ("db/1.0.0/1", "AVAILABLE", "DEPRECATED", first, third, 2, True, False),
        ("db/1.0.0/1", "DEPRECATED", None, third, fifth, 2, True, True),
        ("db/1.1.0/1", "AVAILABLE", None, second, third, 1, True, True),
        ("db/1.1.0/1", "AVAILABLE", None, fourth, None, 1, False, False),
        ("db/1.2.0/1", "BUILDING", None, fifth, None, 0, False, False),
        ("web/1.10.0/1", "BUILDING", "AVAILABLE", second, third, 1, True, True),
        ("web/1.10.0/1", "AVAILABLE", None, third, None, 2, False, False),
        ("web/1.10.0/2", "TESTING", "FAILED", fourth, fifth, 1, True, True),
        ("web/1.10.0/2", "FAILED", None, fifth, None, 0, False, False),
        ("web/1.11.0/1", "BUILDING", None, third, None, 2, False, False),
        ("web/1.9.0/1", "AVAILABLE", None, first, None, 4, False, False),
        ("web/1.9.0/2", "FAILED", None, first, third, 2, True, False),
    ]
