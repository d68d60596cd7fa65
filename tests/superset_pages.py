"""A dashboard's page in a browser: what its charts show, and how a person chooses on it."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page

from flows.superset.charts import NUMBER, TABLE, Chart
from tests.superset_api import PATIENCE_SECONDS, Api

APPLY = "[data-test=filter-bar__apply-button]"
STATE_OF_CHARTS = """() => [...document.querySelectorAll('[data-test=chart-grid-component]')].map(
    chart => {
        const canvas = chart.querySelector('canvas');
        const pixels = canvas && new Uint32Array(canvas.getContext('2d').getImageData(
            0, 0, canvas.width, canvas.height).data.buffer);
        return {
            title: chart.dataset.testChartName,
            isLoading: !!chart.querySelector('[role=status], .loading'),
            isWrong: !!chart.querySelector('.ant-alert, .ant-empty'),
            number: chart.querySelector('.header-line')?.innerText,
            rows: chart.querySelectorAll('tbody tr').length,
            colours: pixels ? new Set(pixels).size : 0,
        };
    })"""
"""What each chart of a dashboard shows; a canvas with nothing on it has one colour."""


def log_in(page: Page, api: Api) -> None:
    """The admin is logged in on the page, as a person does it."""
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(f"{api.url}/login/")
    page.fill("#username", "admin")
    page.fill("#password", api.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


def opened(page: Page, url: str) -> dict[str, dict[str, Any]]:
    """By title, what each chart of the dashboard at the address shows once all are drawn."""
    page.goto(url)
    page.wait_for_selector("[data-test=chart-grid-component]")
    return shown(page)


def shown(page: Page) -> dict[str, dict[str, Any]]:
    """By title, what each chart shows as soon as all are drawn and rest."""
    until = time.monotonic() + PATIENCE_SECONDS
    before = None
    while True:
        charts = page.evaluate(STATE_OF_CHARTS)
        is_drawn = all(not chart["isLoading"] and _has_content(chart) for chart in charts)
        if (is_drawn and charts == before) or time.monotonic() > until:
            return {chart["title"]: chart for chart in charts}
        before = charts
        time.sleep(0.5)


def choose(page: Page, name: str, value: str) -> None:
    """Picks a value in a filter of the bar; it counts once `APPLY` is clicked."""
    page.click(f"[data-test={name}]")
    page.fill(f"input#{name}", value)
    page.click(f"[id^={name}_list] >> xpath=../.. >> .ant-select-item-option[title='{value}']")
    page.keyboard.press("Escape")


def is_filled(declared: Chart, chart: dict[str, Any]) -> bool:
    """Whether the chart shows what its kind does: a number, rows, or more than one colour."""
    if chart["isWrong"] or chart["isLoading"]:
        return False
    if declared.kind == NUMBER:
        return bool(chart["number"])
    return bool(chart["rows"] if declared.kind == TABLE else chart["colours"] > 1)


def _has_content(chart: dict[str, Any]) -> bool:
    """Whether something is drawn, be it that there is nothing to draw."""
    return bool(chart["number"] or chart["rows"] or chart["colours"] > 1 or chart["isWrong"])
