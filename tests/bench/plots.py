"""The results as drawings for the README: SVG that is readable on a light and on a dark page.

Colours are plain values for a light page; a style in the drawing has others for who prefers dark. The
points that were drawn stand in its `desc`, as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal
from xml.sax.saxutils import escape

import altair as alt
import vl_convert

from tests.bench.results import Results, sizes_of, way_of
from tests.bench.ways import IMAGELAKE, PROCESS_COUNT, PROCESSES, TRACKED

FOLDER: Final = Path(__file__).parent
WIDTH, HEIGHT = 820, 250
PADDING: Final = {"left": 4, "top": 8, "bottom": 4, "right": 28}
"""In pixels; to the right as much as another font than the one measured may take."""
INK, MUTED, LINE = "#1c1f24", "#5b636d", "#d9dde2"
SERIES: Final = {
    IMAGELAKE: ("imagelake", "#2456b8", "#86aef5"),
    PROCESSES: (f"imagelake, {PROCESS_COUNT} processes", "#178bb5", "#5ec8ee"),
    TRACKED: ("imagelake + Prefect", "#7aa0e6", "#4a6fb0"),
    "boto3_from_pylist": ("boto3 + from_pylist", "#0b7a5f", "#45c4a0"),
    "boto3_pandas": ("boto3 + pandas", "#b5541c", "#f0925c"),
    "duckdb_read_json": ("DuckDB read_json", "#8a6d00", "#d9b53c"),
    "dlt_default": ("dlt", "#a32a6e", "#ee82bd"),
    "dlt_tuned": ("dlt, given Arrow", "#6f4bc0", "#b79cf5"),
    "least": ("least possible", "#5b636d", "#a1a9b2"),
}
"""By way, its words, and its colour on a light and on a dark page."""
_DARK: Final = {INK: "#e6e8eb", MUTED: "#a1a9b2", LINE: "#343b42"} | {
    light: dark for _, light, dark in SERIES.values()
}
DECADES: Final = [1, 3, 10, 30, 100, 300]
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

Scale = Literal["linear", "log"]
Point = Mapping[str, Any]


def drawings(results: Results) -> dict[str, str]:
    """By file name, each drawing."""
    cpu, memory = list(_points(results, "cpu")), list(_points(results, "peak_mb"))
    pacing = list(_pacing(results))
    sizes = sizes_of(results, IMAGELAKE)
    targets = [at["targets"] for at in results["pacing"][2:]]
    return {
        "cpu.svg": _drawn(cpu, _curve(cpu, "CPU seconds", "builds", sizes, steep="log")),
        "memory.svg": _drawn(memory, _curve(memory, "peak memory, MB", "builds", sizes)),
        "pacing.svg": _drawn(
            pacing, _curve(pacing, "wall seconds", "targets", targets, scale="linear")
        ),
    }


def points_of(drawing: str) -> Any:
    """The points that a drawing says it shows."""
    told = re.search(r"<desc>(.*?)</desc>", drawing, re.DOTALL)
    return json.loads(told[1]) if told else None


def write(results: Results, folder: Path = FOLDER) -> None:
    """Writes each drawing."""
    for name, drawing in drawings(results).items():
        (folder / name).write_text(drawing)


def _points(results: Results, what: str) -> Iterator[Point]:
    for name in SERIES:
        for size in sizes_of(results, name):
            way = way_of(results, size, name)
            builds = results["sizes"][str(size)]["rows"]["image_builds"]
            yield {"series": SERIES[name][0], "x": builds, "y": getattr(way, what)}


def _pacing(results: Results) -> Iterator[Point]:
    for at in results["pacing"]:
        yield {"series": SERIES[IMAGELAKE][0], "x": at["targets"], "y": at["seconds"]}
        if PROCESSES in at:
            yield {"series": SERIES[PROCESSES][0], "x": at["targets"], "y": at[PROCESSES]}
        yield {"series": SERIES["least"][0], "x": at["targets"], "y": at["least"]}


def _curve(
    points: list[Point],
    title: str,
    counted: str,
    ticks: list[int],
    scale: Scale = "log",
    steep: Scale = "linear",
) -> alt.Chart:
    """A line a series; `scale` is that across, `steep` that up."""
    shown = {point["series"] for point in points}
    series = [(words, light) for words, light, _ in SERIES.values() if words in shown]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=points), height=HEIGHT)
        .mark_line(point=alt.OverlayMarkDef(size=44, filled=True), strokeWidth=2)
        .encode(
            x=alt.X("x:Q", title=counted)
            .scale(type=scale, nice=False, padding=14)
            .axis(values=ticks, format=",d", grid=False),
            y=alt.Y("y:Q", title=title)
            .scale(type=steep)
            .axis(format=",~f", **({"values": DECADES} if steep == "log" else {"tickCount": 5})),
            color=alt.Color("series:N", title=None).scale(
                domain=[words for words, _ in series], range=[light for _, light in series]
            ),
        )
    )
    return chart


def _drawn(points: list[Point], chart: alt.Chart) -> str:
    styled = (
        chart.properties(
            background="transparent",
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        .configure(font=_FONT, padding=PADDING, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED,
            titleColor=MUTED,
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
            domainColor=LINE,
            gridColor=LINE,
            tickColor=LINE,
        )
        .configure_legend(
            orient="right", labelColor=INK, labelFontSize=12, symbolType="circle", labelLimit=240
        )
    )
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    drawing = vl_convert.vegalite_to_svg(
        {**styled.to_dict(), "width": WIDTH}, vl_version=version, show_warnings=False
    )
    head, end, rest = drawing.partition(">")
    return f"{head}{end}<desc>{escape(json.dumps(points))}</desc><style>{_dark()}</style>{rest}\n"


def _dark() -> str:
    rules = "".join(
        f'[{part}="{light}"]{{{part}:{dark}}}'
        for light, dark in _DARK.items()
        for part in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme:dark){{{rules}}}"
