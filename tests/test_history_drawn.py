"""The views of history show, whole, what plain Python finds: on one by hand, on any drawn."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish, publish_pinned
from schemas.view import macros, view_named
from tests.analysis import key_of
from tests.drawn_history import DATES, draw_history
from tests.history_rows import FAR, HISTORY, alike, asked, in_order, small_told, told_of
from tests.rows import rows
from tests.small_history import DAYS
from tests.small_runs import history, small_lake, small_warehouse
from tests.test_writer import commit_rows
from tests.told_history import Told

__all__ = [
    "history",
    "small_lake",
    "small_told",
    "small_warehouse",
]  # fixtures are used by their names

Drawn = tuple[duckdb.DuckDBPyConnection, Told, Folder]


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.long)])
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drawn]:
    """A random history, what its runs tell, its lake."""
    root = tmp_path_factory.mktemp("drawn")
    folder = open_folder(str(root / "lake"))
    runs, shown = draw_history(random.Random(request.param))  # noqa: S311 - a history, no secret
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day, run in runs:
            commit_rows(folder, day, run)
    publish(folder, root / "live.duckdb")
    with connect(root / "live.duckdb") as connection:
        yield connection, told_of(folder, shown), folder


# In every column, as plain Python finds them, on the small history and on those drawn at random


@pytest.mark.parametrize("view", HISTORY)
def test_whole_rows_of_the_small_history(
    small_told: Told, history: duckdb.DuckDBPyConnection, view: str
) -> None:
    expected = in_order(list(HISTORY[view](small_told)))
    assert asked(history, view) == expected
    assert len(expected) == SIZES[view]


SIZES = {
    "target_captures": 10,
    "capture_differences": 18,
    "build_changes": 28,
    "build_state_changes": 27,
    "build_history": 25,
    "disappeared_builds": 2,
}
"""How many rows the small history has."""


@pytest.mark.slow
@pytest.mark.parametrize("view", HISTORY)
def test_whole_rows_of_a_random_history(drawn: Drawn, view: str) -> None:
    """Filtered and cut captures compare nothing, nor do runs that others replaced."""
    connection, told, _ = drawn
    expected = in_order(list(HISTORY[view](told)))
    assert asked(connection, view) == expected
    assert len(expected) > 5


@pytest.mark.slow
def test_macros_of_a_random_history(drawn: Drawn) -> None:
    """On dates with and without a snapshot, near and far apart, forwards and backwards."""
    connection, told, _ = drawn
    days = [
        DATES[0] - timedelta(days=1),
        *(day + timedelta(days=1) for day in DATES[::3]),
        DATES[-1],
        DATES[-1] + FAR,
    ]
    sizes = set()
    for day in days:
        for table, macro in (("image_builds", "builds_as_of"), ("image_amis", "amis_as_of")):
            found = asked(connection, f"{macro}(date '{day}')")
            assert alike(found) == alike(told.as_of(table, day)), (macro, day)
        for other in days:
            found = asked(connection, f"snapshot_diff('{day}', '{other}')")
            assert found == in_order(list(told.diff(day, other))), (day, other)
            sizes.add(len(found))
    assert max(sizes) > 5


# What must hold of every history

CALLS = (
    "builds_as_of('{last}')",
    "amis_as_of('{last}')",
    "snapshot_diff('{first}', '{last}')",
    "snapshot_diff('{last}', '{first}')",
)


def calls(told: Told) -> dict[str, list[str]]:
    """Calls of the macros, and the key of each, over the whole history and a part of it."""
    keys = {macro.name: key_of(macro) for macro in macros()}
    first, *_, middle, last = sorted(told.runs)
    return {
        call.format(first=start, last=end): keys[call.partition("(")[0]]
        for start, end in ((first, last), (middle, last), (first, middle))
        for call in CALLS
    }


def test_every_grain_of_history_is_a_key(
    history: duckdb.DuckDBPyConnection, small_told: Told, drawn: Drawn
) -> None:
    """Also where one ARN is listed in two targets."""
    assert {call.partition("(")[0] for call in CALLS} == {macro.name for macro in macros()}
    for connection, told in ((history, small_told), drawn[:2]):
        keys = {view: key_of(view_named(view)) for view in HISTORY} | calls(told)
        for relation, columns in keys.items():
            key = ", ".join(columns)
            twice = f"select {key} from {relation} group by {key} having count(*) > 1"  # noqa: S608 - our own words
            assert rows(connection, twice) == [], relation
            assert rows(connection, f"select * from {relation} limit 1"), relation  # noqa: S608 - our own words
    targets = "select count(distinct account_id) from build_changes group by arn"
    assert (2,) in rows(drawn[0], targets)


AGREE = {
    "current builds are as many as the newest captures say": """
        select known, told
        from (select count(*) as known from current_builds),
            (select sum(builds) as told from current_targets),
            (
                select sum(builds) as captured
                from (
                    from target_captures
                    qualify row_number() over (
                        partition by account_id, region
                        order by coverage = 'whole' desc, snapshot_date desc
                    ) = 1
                )
            )
        where known <> told or told <> captured or known = 0
    """,
    "a golden AMI is a current one": """
        select g.build_arn, g.ami_id
        from golden_amis as g
        anti join current_amis as a
            on
                a.account_id = g.account_id
                and a.region = g.region
                and a.image_arn = g.build_arn
                and a.ami_id = g.ami_id
                and a.snapshot_date = g.snapshot_date
    """,
    "today is as of today": """
        (from current_builds except all from builds_as_of('2999-12-31'))
        union all
        (from builds_as_of('2999-12-31') except all from current_builds)
    """,
    "a build is in one interval at a time": """
        select a.arn, a.valid_from, b.valid_from
        from build_history as a
        join build_history as b
            on
                b.account_id = a.account_id
                and b.region = a.region
                and b.arn = a.arn
                and b.valid_from > a.valid_from
        where a.valid_to is null or a.valid_to > b.valid_from
    """,
    "the intervals cover the captures that list the build, as it was, and no other": """
        with seen as (
            select c.account_id, c.region, c.snapshot_date, b.arn, b.state_status, b.created_at,
                list_sort(map_entries(b.tags)) as tags
            from target_captures as c
            join image_builds as b using (snapshot_date, run_id, account_id, region)
            where c.coverage = 'whole' and b.arn is not null
        ),
        covered as (
            select c.account_id, c.region, c.snapshot_date, h.arn, h.state_status, h.created_at,
                list_sort(map_entries(h.tags)) as tags
            from target_captures as c
            join build_history as h
                on
                    h.account_id = c.account_id
                    and h.region = c.region
                    and h.valid_from <= c.snapshot_date
                    and coalesce(h.valid_to > c.snapshot_date, true)
            where c.coverage = 'whole'
        )
        (from seen except all from covered) union all (from covered except all from seen)
    """,
    "the changes of states lead to today's": """
        with known as (
            select account_id, region, arn, state_status
            from current_builds
            semi join (from current_targets where coverage = 'whole') using (account_id, region)
            where arn is not null
        ),
        replayed as (
            select account_id, region, arn, to_status
            from (
                from build_state_changes
                qualify row_number() over (
                    partition by account_id, region, arn order by snapshot_date desc
                ) = 1
            )
            where change <> 'disappeared'
        )
        (from known except all from replayed) union all (from replayed except all from known)
    """,
    "a change starts from the state that the one before led to": """
        select arn, snapshot_date
        from (
            select *, lag(to_status) over (
                partition by account_id, region, arn order by snapshot_date
            ) as led_to
            from build_state_changes
        )
        where from_status is distinct from led_to
    """,
    "a build is known or gone": """
        select account_id, region, arn
        from (
            select account_id, region, arn from build_changes group by all
            except
            select account_id, region, arn from last_known_builds
        )
        union all
        select account_id, region, arn
        from disappeared_builds
        semi join current_builds using (account_id, region, arn)
    """,
}
"""By what must hold, a query for the rows that contradict it."""


@pytest.mark.parametrize("rule", AGREE)
def test_the_views_agree(history: duckdb.DuckDBPyConnection, drawn: Drawn, rule: str) -> None:
    for connection in (history, drawn[0]):
        assert rows(connection, AGREE[rule]) == []


@pytest.mark.slow
def test_a_pinned_warehouse_tells_the_same_history(
    small_lake: Folder, small_told: Told, tmp_path: Path
) -> None:
    """By its own files' names."""
    require_alike(small_lake, small_told, tmp_path)


def test_a_pinned_warehouse_tells_the_same_random_history(drawn: Drawn, tmp_path: Path) -> None:
    require_alike(drawn[2], drawn[1], tmp_path)


def require_alike(folder: Folder, told: Told, tmp_path: Path) -> None:
    """That the six views and the macros of a pinned warehouse show what the runs tell."""
    publish_pinned(folder, tmp_path / "pinned.duckdb")
    day, other = min(told.runs), max(told.runs)
    with connect(tmp_path / "pinned.duckdb") as pinned:
        for view, find in HISTORY.items():
            assert asked(pinned, view) == in_order(list(find(told))), view
        found = asked(pinned, f"snapshot_diff('{day}', '{other}')")
        assert found == in_order(list(told.diff(day, other))) != []
        for table, macro in (("image_builds", "builds_as_of"), ("image_amis", "amis_as_of")):
            found = asked(pinned, f"{macro}('{other}')")
            assert alike(found) == alike(told.as_of(table, other)) != [], macro


def test_an_empty_lake_has_no_history(folder: Folder, tmp_path: Path) -> None:
    """No rows, and no error."""
    for publication in (publish, publish_pinned):
        path = tmp_path / f"{publication.__name__}.duckdb"
        publication(folder, path)
        with connect(path) as connection:
            for call in (*HISTORY, *(call.format(first=DAYS[0], last=DAYS[4]) for call in CALLS)):
                assert rows(connection, f"select * from {call}") == [], call  # noqa: S608 - our own words
