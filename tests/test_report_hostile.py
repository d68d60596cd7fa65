"""The page's source: hostile text stays text in it, and its policy lets it load nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from flows.report.page import in_script
from tests.hostile_lake import HOSTILE, SHOWN, STEP_SHOWN, hostile_warehouse
from tests.reported import Parsed, page_on
from tests.small_runs import small_lake, small_warehouse

pytestmark = pytest.mark.slow

__all__ = ["hostile_warehouse", "small_lake", "small_warehouse"]  # fixtures are used by their names

BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("is_interactive", [False, True], ids=["static", "interactive"])
def test_hostile_text_is_text(
    hostile_warehouse: Path, tmp_path: Path, is_interactive: bool
) -> None:
    """No element, attribute, comment or script of its own comes of it, and no direction changes."""
    page = page_on(hostile_warehouse, tmp_path, is_interactive=is_interactive)
    parsed = Parsed(page)
    assert SHOWN in parsed.text
    assert f"0{STEP_SHOWN}" in parsed.text
    figures = page.count("<figure>")
    tags = [tag for tag, _ in parsed.elements]
    assert figures == 8
    assert tags.count("script") == (figures + 2 if is_interactive else 0)
    assert not {"img", "b", "iframe", "object", "form", "base"} & {*tags}
    assert parsed.comments == []
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert {name for name in names if name.startswith("on") or name == "src"} == set()
    links = {attributes["href"] for _, attributes in parsed.elements if "href" in attributes}
    assert {link for link in links if link and not link.startswith("#")} == {"data:,"}
    own = page if not is_interactive else page.replace("".join(_libraries(parsed)), "")
    assert not set(BIDIRECTIONAL) & set(own)
    assert "\x1b" not in page
    assert "\u2028" not in own


def _libraries(parsed: Parsed) -> Iterator[str]:
    """Vega's own script, the longest by far."""
    yield max(parsed.scripts, key=len)


def test_hostile_text_is_text_inside_of_a_drawing(hostile_warehouse: Path, tmp_path: Path) -> None:
    page = page_on(hostile_warehouse, tmp_path)
    texts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(texts) == 16
    drawn = [part for part in texts if "\\u202e&lt;/svg&gt;&lt;b&gt;" in part]
    assert len(drawn) == 2  # the failed steps, wide and narrow


def test_data_in_a_script_cannot_end_it(hostile_warehouse: Path, tmp_path: Path) -> None:
    """It is JSON in ASCII without an angle bracket, and reads back to the letter."""
    parsed = Parsed(page_on(hostile_warehouse, tmp_path, is_interactive=True))
    specs = [script for script in parsed.scripts if script.startswith("{")]
    assert len(specs) == 8
    for spec in specs:
        assert spec.isascii()
        assert not set("<>&") & set(spec)
        assert json.loads(spec)["config"]["aria"] is False
    assert json.loads(in_script({"a": HOSTILE})) == {"a": HOSTILE}


def test_the_policy_allows_the_page_its_own_style_and_scripts_only(
    small_warehouse: Path, tmp_path: Path
) -> None:
    static = _policy(page_on(small_warehouse, tmp_path))
    assert static["default-src"] == "'none'"
    assert static["script-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]{44}'", static["style-src"])
    live = _policy(page_on(small_warehouse, tmp_path, is_interactive=True))
    assert re.fullmatch(r"('sha256-[\w+/=]{44}' ?){2}", live["script-src"])
    assert {name: live[name] for name in live if name != "script-src"} == {
        name: static[name] for name in static if name != "script-src"
    }


def _policy(page: str) -> dict[str, str]:
    (policy,) = (
        str(attributes["content"])
        for tag, attributes in Parsed(page).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    return dict(part.split(" ", 1) for part in policy.split("; "))
