"""Charts drawn in this process, without a browser or a network: as SVG, and Vega's own script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import altair
import vl_convert

WIDE: Final = 820
NARROW: Final = 324
"""Widths in pixels: on a desk or paper, and on a phone."""

_VERSION: Final = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def svg(spec: Mapping[str, Any], width: int) -> str:
    """The chart as an SVG element of that width, its legend in two columns where that is small."""
    config = spec["config"]
    legend = {**config["legend"], "columns": 2 if width <= NARROW else 0}
    drawn = {**spec, "width": width, "config": {**config, "legend": legend}}
    return vl_convert.vegalite_to_svg(drawn, vl_version=_VERSION, show_warnings=False)


def library() -> str:
    """The JavaScript of Vega, Vega-Lite and Vega-Embed, as one script."""
    return vl_convert.javascript_bundle(None, vl_version=_VERSION)  # type: ignore[arg-type]  # None is its default
