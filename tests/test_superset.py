"""The dashboards in a Superset of their own, over two weeks of an emulated fleet.

Superset is installed in an environment of its own: `make superset-test` makes it and runs these.
"""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from shutil import copyfile
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from flows.superset.bundle import uri_of
from flows.superset.charts import Dashboard
from flows.superset.dashboards import DASHBOARDS
from flows.superset.serving import Superset, demo_warehouse
from lake.warehouse import connect
from tests.replacing import replacements
from tests.superset_api import Api
from tests.superset_pages import APPLY, choose, is_filled, log_in, opened

pytestmark = pytest.mark.superset

ENVIRONMENT = Path(os.environ.get("IMAGELAKE_SUPERSET") or ".venv/superset").absolute()
"""Where Superset is installed; read before the environment is cleaned."""
SCREENSHOTS = os.environ.get("IMAGELAKE_SCREENSHOTS")
"""A folder to keep pictures of the dashboards in."""

HOSTILE = 'the "warehouse" of O\'Brien & sons #1 at 100% é'
"""A folder whose name would break an address that is put together carelessly."""

REPLACEMENTS = int(os.environ.get("IMAGELAKE_REPLACEMENTS") or 50)
SHOWN_SECONDS = 10.0
"""A new file is open to a process once it has no query on the old one any more."""
BUILT_FROM = datetime.now(UTC).date() - timedelta(days=15)
BUILT_UNTIL = BUILT_FROM + timedelta(days=10)
ASKED_ON = (
    "Golden AMIs",
    "Success rate by week",
    "Freshness of each target",
    "Builds that seem stuck",
)

BIG_NUMBERS = {
    "Golden AMIs": "select count(*) from golden_amis",
    "No golden build": "select count(*) from image_age where golden_arn is null",
    "Coverage gaps": "select count(*) from ami_region_coverage where is_missing_in_newest",
    "Deprecations due": "select count(*) from deprecations where days_left < 30",
    "Success rate": "select sum(succeeded_count) / sum(succeeded_count + failed_count) "
    "from build_outcomes_daily",
    "Builds": "select count(*) from last_known_builds",
    "Failed builds": "select sum(failed_count)::bigint from build_outcomes_daily",
    "Stuck builds": "select count(*) from stuck_builds",
    "Targets": "select count(distinct (account_id, region)) from snapshot_targets",
    "Targets not read last time": "select count(*) from target_freshness "
    "where last_attempt_status in ('failed', 'truncated')",
    "Share read": "select avg((status = 'complete')::int) from snapshot_targets",
    "Snapshots": "select count(*) from snapshots",
}
"""What the dashboards' numbers are, by the views of the default schema."""

CHARTS = {chart.title: chart for board in DASHBOARDS for row in board.rows for chart in row}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo's lake and its warehouse."""
    folder = tmp_path_factory.mktemp("superset") / HOSTILE
    with patch.dict(os.environ):
        demo_warehouse(folder)
    return folder


@pytest.fixture(scope="module")
def warehouse(place: Path) -> Path:
    return place / "imagelake.duckdb"


@pytest.fixture(scope="module")
def api(place: Path, warehouse: Path) -> Iterator[Api]:
    """A Superset into which the bundle was imported."""
    assert (ENVIRONMENT / "bin/python").exists(), (
        f"no Superset in {ENVIRONMENT}: make superset-test"
    )
    superset = Superset(ENVIRONMENT, place.parent / "home")
    password = superset.prepare(warehouse)
    assert password
    assert superset.prepare(warehouse) is None  # a second start changes nothing
    with superset.serving(free_port()) as url:
        yield Api(url, password)


@pytest.fixture(scope="module")
def page(browser: Browser, api: Api) -> Iterator[Page]:
    """A page as high as a dashboard, since only charts in view are drawn; the admin is logged in."""
    with browser.new_page(viewport={"width": 1500, "height": 2100}) as page:
        log_in(page, api)
        yield page


def test_every_chart_has_data(api: Api) -> None:
    """All that are declared were imported, and each answers with rows."""
    charts = api.charts()
    assert set(charts) == set(CHARTS)
    answers = {title: api.data(number) for title, number in charts.items()}
    failed = {title: a["error"] for title, a in answers.items() if a["status"] != "success"}
    assert failed == {}
    assert [title for title, answer in answers.items() if not answer["rowcount"]] == []


def test_numbers_are_those_of_the_views(api: Api, warehouse: Path) -> None:
    charts = api.charts()
    shown = {
        title: next(iter(api.data(charts[title])["data"][0].values())) for title in BIG_NUMBERS
    }
    with connect(warehouse) as connection:
        expected = {title: ask(connection, query) for title, query in BIG_NUMBERS.items()}
    assert shown == pytest.approx(expected)
    assert {title for title, chart in CHARTS.items() if chart.kind == "big_number_total"} == set(
        shown
    )


def test_columns_are_described_and_plainly_typed(api: Api) -> None:
    datasets = api.get("dataset/?q=(page_size:100)")["result"]
    assert {dataset["table_name"] for dataset in datasets} == {
        chart.dataset.view for chart in CHARTS.values()
    }
    for dataset in datasets:
        of = api.get(f"dataset/{dataset['id']}")["result"]
        assert [
            column["column_name"] for column in of["columns"] if not column["description"]
        ] == []
        kinds = {column["type"] for column in of["columns"]}
        assert kinds <= {"VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"}
        assert of["metrics"]
        assert all(metric["description"] for metric in of["metrics"])


def test_database_is_read_only(api: Api, warehouse: Path) -> None:
    [database] = api.get("database/")["result"]
    of = api.get(f"database/{database['id']}/connection")["result"]
    assert of["sqlalchemy_uri"] == uri_of(warehouse)
    assert {of[f"allow_{name}"] for name in ("dml", "ctas", "cvas", "file_upload")} == {False}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.slug)
def test_dashboard_is_drawn(page: Page, api: Api, dashboard: Dashboard, tmp_path: Path) -> None:
    """Every chart is there and filled, and the page asks nobody else for anything."""
    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    charts = opened(page, f"{api.url}/superset/dashboard/{dashboard.slug}/")
    picture = tmp_path / f"{dashboard.slug}.png"
    page.screenshot(path=picture)
    if SCREENSHOTS:
        copyfile(picture, Path(SCREENSHOTS) / picture.name)
    declared = {chart.title: chart for row in dashboard.rows for chart in row}
    assert set(charts) == set(declared)
    assert [title for title, chart in charts.items() if not is_filled(declared[title], chart)] == []
    assert len(answered) > len(declared)
    assert [url for url in answered if not url.startswith((api.url, "data:", "blob:"))] == []


FILTERS = {
    "account": (
        "(filters:!((col:account_id,op:IN,val:!('111122223333'))))",
        "account_id = '111122223333'",
    ),
    "platform": ("(filters:!((col:platform,op:IN,val:!(Windows))))", "platform = 'Windows'"),
    "built-between": (
        f"(time_range:'{BUILT_FROM} : {BUILT_UNTIL}')",
        f"created_at >= '{BUILT_FROM} 00:00:00+00' and created_at < '{BUILT_UNTIL} 00:00:00+00'",
    ),
}
"""By a filter of the dashboard, what is chosen, as Superset's addresses have it, and in SQL."""


def test_filters_reach_the_charts(page: Page, api: Api, warehouse: Path) -> None:
    """The number shown is what the view has of all that is chosen, and each choice counts."""
    given = ",".join(
        f"NATIVE_FILTER-{name}:(extraFormData:{chosen},filterState:(value:!n),"
        f"id:NATIVE_FILTER-{name},ownState:())"
        for name, (chosen, _) in FILTERS.items()
    )
    url = f"{api.url}/superset/dashboard/golden-images/?native_filters={quote(f'({given})')}"
    number = opened(page, url)["Golden AMIs"]["number"]
    conditions = [condition for _, condition in FILTERS.values()]
    with connect(warehouse) as connection:
        expected = golden_amis(connection, conditions)
        less = [golden_amis(connection, [c for c in conditions if c != one]) for one in conditions]
    assert number == f"{expected:,}"
    assert 0 < expected < min(less)


def test_filters_are_chosen_by_hand(page: Page, api: Api, warehouse: Path) -> None:
    """A region, then an image too, from the lists that the filters offer."""
    with connect(warehouse) as connection:
        image = ask(
            connection,
            "select min(image_slug) from golden_amis where region = 'eu-west-1'",
        )
        of_region = golden_amis(connection, ["region = 'eu-west-1'"])
        of_both = golden_amis(connection, ["region = 'eu-west-1'", f"image_slug = '{image}'"])
    opened(page, f"{api.url}/superset/dashboard/golden-images/")
    number = page.locator("[data-test-chart-name='Golden AMIs'] .header-line")
    for name, value, expected in (("region", "eu-west-1", of_region), ("image", image, of_both)):
        choose(page, f"NATIVE_FILTER-{name}", value)
        page.click(APPLY)
        expect(number).to_have_text(f"{expected:,}")
    assert 0 < of_both < of_region


def golden_amis(connection: duckdb.DuckDBPyConnection, conditions: list[str]) -> int:
    """How many golden AMIs meet all conditions."""
    query = f"select count(*) from golden_amis where {' and '.join(conditions)}"  # noqa: S608 - the tests' own words
    return int(ask(connection, query))


@pytest.mark.usefixtures("at_once")
def test_replaced_warehouse_is_shown(api: Api, warehouse: Path, place: Path) -> None:
    """Each of many snapshots in a new file: no query fails meanwhile, and each is shown in moments."""
    charts = api.charts()
    is_over = threading.Event()
    answers: list[str] = []

    def ask_on() -> None:
        for title in cycle(ASKED_ON):
            if is_over.is_set():
                return
            answers.append(status(api, charts[title]))

    asking = [threading.Thread(target=ask_on) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        latest = [
            await_count(api, charts["Snapshots"], count)
            for count in replacements(place / "replaced", warehouse, REPLACEMENTS)
        ]
    finally:
        is_over.set()
        for thread in asking:
            thread.join()
    assert latest == list(range(1, REPLACEMENTS + 1))
    assert Counter(answers) == {"success": len(answers)}
    assert len(answers) > REPLACEMENTS


def status(api: Api, chart: int) -> str:
    """How a chart's query ended."""
    try:
        return str(api.data(chart)["status"])
    except (OSError, KeyError) as error:
        return repr(error)


def await_count(api: Api, chart: int, count: int) -> int:
    """What the chart of how many snapshots there are shows, as soon as it is so many."""
    until = time.monotonic() + SHOWN_SECONDS
    while True:
        [row] = api.data(chart)["data"]
        if row["snapshot_count"] == count or time.monotonic() > until:
            return int(row["snapshot_count"])


def ask(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The one value of an answer."""
    row = connection.execute(query).fetchone()
    assert row
    return row[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
