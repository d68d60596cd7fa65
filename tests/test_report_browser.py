"""The page in a browser: it shows everywhere, asks for nothing, can be read, sorted and printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page

from tests.hostile_lake import STEP_SHOWN, hostile_warehouse
from tests.reported import page_on
from tests.small_runs import small_lake, small_warehouse

pytestmark = pytest.mark.slow

__all__ = ["hostile_warehouse", "small_lake", "small_warehouse"]  # fixtures are used by their names

DESK, PHONE, PAPER = (1280, 900), (390, 844), (718, 1000)
"""Widths and heights in CSS pixels; A4 paper less its margins is 718 wide."""
FORMS: Final = ("static", "interactive")
LAKES: Final = ("small", "hostile")


@dataclass
class Shown:
    """A page in a browser, with all that it said and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, small_warehouse: Path, hostile_warehouse: Path
) -> dict[tuple[str, str], Path]:
    """By lake and form, the file."""
    warehouses = {"small": small_warehouse, "hostile": hostile_warehouse}
    written = {}
    for lake in LAKES:
        for form in FORMS:
            folder = tmp_path_factory.mktemp(f"{lake}-{form}")
            page_on(warehouses[lake], folder, is_interactive=form == "interactive")
            written[lake, form] = folder / "report.html"
    return written


def show(browser: Browser, path: Path, size: tuple[int, int], scheme: str = "light") -> Shown:
    """The page, drawn to its end."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of playwright's literals
    )
    shown = Shown(page)
    page.on("console", lambda message: shown.said.append(message.text))
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    page.on("dialog", lambda dialog: shown.said.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: shown.asked.append(request.url))
    page.goto(path.as_uri())
    if page.locator("script").count():
        page.wait_for_selector("html[data-ready]", timeout=30_000)
    return shown


@pytest.fixture(params=[(lake, form) for lake in LAKES for form in FORMS], ids="-".join)
def path(request: pytest.FixtureRequest, pages: dict[tuple[str, str], Path]) -> Path:
    """Each page in its turn."""
    return pages[request.param]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_shows_without_a_word_or_a_request(
    browser: Browser, path: Path, size: tuple[int, int], scheme: str
) -> None:
    """No console message, no dialog, no request besides the file; nothing wider than the screen."""
    shown = show(browser, path, size, scheme)
    assert (shown.said, shown.asked) == ([], [path.as_uri()])
    assert shown.page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert unreadable(shown.page) == []
    shown.page.close()


UNREADABLE: Final = """() => {
  const found = [];
  for (const svg of document.querySelectorAll(".plot svg")) {
    const frame = svg.closest("figure").getBoundingClientRect();
    const visible = (text) => text.getClientRects().length && text.getAttribute("opacity") !== "0";
    const texts = [...svg.querySelectorAll("text")].filter((t) => t.textContent && visible(t));
    const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
    for (const [words, box] of boxes)
      if (box.left < frame.left || box.right > frame.right + 0.5) found.push(`cut: ${words}`);
    boxes.forEach(([one, a], at) => boxes.slice(at + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 4) found.push(`over each other: ${one} | ${other}`);
    }));
  }
  return found;
}"""


def unreadable(page: Page) -> list[str]:
    """What charts write beyond their frame, or over other words."""
    found: list[str] = page.evaluate(UNREADABLE)
    return found


def test_its_colours_follow_the_reader_s(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    """Text and ground swap between light and dark, the words of charts with them."""
    colours = {}
    for scheme in ("light", "dark"):
        shown = show(browser, pages["small", "static"], DESK, scheme)
        colours[scheme] = shown.page.evaluate(
            """() => {
              const style = (selector) => getComputedStyle(document.querySelector(selector));
              return [style("body").backgroundColor, style("body").color,
                      style("#states .wide text").fill, style("#failures .wide path[d*='h']").fill];
            }"""
        )
        shown.page.close()
    assert colours["light"][:3] == ["rgb(251, 251, 250)", "rgb(28, 31, 36)", "rgb(28, 31, 36)"]
    assert colours["dark"][:3] == ["rgb(17, 20, 23)", "rgb(230, 232, 235)", "rgb(230, 232, 235)"]


def test_words_are_told_from_their_ground(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    """Text, muted text, badges and alarms reach a contrast of 4.5 to 1 (WCAG AA) in both schemes."""
    for scheme in ("light", "dark"):
        shown = show(browser, pages["small", "static"], DESK, scheme)
        pairs = shown.page.evaluate(CONTRASTS)
        shown.page.close()
        assert len(pairs) > 12
        assert {name: ratio for name, ratio in pairs.items() if ratio < 4.5} == {}


CONTRASTS: Final = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => { const [r, g, b] = rgb.match(/[0-9.]+/g).map(Number).map(channel);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (element) => { for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (!colour.includes(", 0)")) return colour; } };
  const found = {};
  const told = "p, h1, h2, h3, a, td, th, dt, dd, li, summary, .badge, .pill, .sign";
  for (const element of document.querySelectorAll(told)) {
    const colours = [getComputedStyle(element).color, ground(element)].map(light).sort((a, b) => b - a);
    found[`${element.tagName}.${element.className}`] = (colours[0] + 0.05) / (colours[1] + 0.05);
  }
  return found;
}"""


@pytest.mark.parametrize("lake", LAKES)
def test_interactive_charts_are_drawn_and_answer(
    browser: Browser, pages: dict[tuple[str, str], Path], lake: str
) -> None:
    """Each chart is Vega's own drawing; a bar under the pointer tells its numbers, as text."""
    shown = show(browser, pages[lake, "interactive"], DESK)
    page = shown.page
    charts = page.locator("[data-chart]")
    assert charts.count() == 8
    assert page.locator("[data-chart].is-live .live svg .mark-text text").count() > 20
    assert page.locator(".wide:visible, .narrow:visible").count() == 0
    bar = page.locator("[data-chart=failed-steps] .live svg .role-mark path").last
    bar.scroll_into_view_if_needed()
    bar.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    told = page.locator("#vg-tooltip-element").inner_text()
    assert "failed builds" in told
    if lake == "hostile":
        assert STEP_SHOWN in told
    assert page.locator("#vg-tooltip-element b").count() == 0
    assert shown.said == []
    page.close()


def test_interactive_tables_sort_and_filter(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    page = show(browser, pages["small", "interactive"], DESK).page
    ages = page.locator("#age .block table tbody tr")
    assert ages.count() == 6
    assert "BATCH" in ages.first.inner_text()
    page.locator("#age .block thead button", has_text="Builds").click()
    assert [row.rsplit("\t", 1)[-1] for row in ages.all_inner_texts()] == list("122344")
    page.locator("#age .block thead button", has_text="Builds").click()
    assert [row.rsplit("\t", 1)[-1] for row in ages.all_inner_texts()] == list("443221")
    page.locator("#age .filter input").fill("eu-west-1")
    assert page.locator("#age .block table tbody tr:visible").count() == 2
    assert page.locator("#age .filter output").inner_text() == "2 of 6"
    page.close()


def test_a_static_page_needs_no_script(
    browser: Browser, pages: dict[tuple[str, str], Path]
) -> None:
    """The same drawings where scripts are off, and so has the interactive page then."""
    for form in FORMS:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(pages["small", form].as_uri())
        assert page.locator(".wide svg:visible").count() == 8
        context.close()


def test_it_prints(browser: Browser, path: Path) -> None:
    """On white, without what only a screen needs; a chart stays within the paper."""
    shown = show(browser, path, PAPER, "dark")
    page = shown.page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav:visible, details:visible, .filter:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER[0]
    assert unreadable(page) == []
    assert page.pdf(format="A4").startswith(b"%PDF-")
    assert shown.said == []
    page.close()
