# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a site's charts with matplotlib, as SVG that a page takes in and whose colours are the page's.

Nothing else of the collection needs matplotlib.
"""

from __future__ import annotations

import datetime
import io
import itertools
import re
import statistics
from collections.abc import Sequence
from html import escape

from ansible_collections.switchyard.django.plugins.plugin_utils.status_series import Chart, Line, Mark

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ImportError:  # without it a page was refused before
    matplotlib = None

# Inches; a page that is 390 pixels wide shows a chart as wide as that, and its text at some 11 pixels.
WIDTH, HEIGHT = 3.6, 1.9
COLOURS = 8
# Colours that no chart would have by itself: each stands for a variable of the page's style.
INK, FAINT = "#010101", "#010102"
SERIES = [f"#0100{number:02x}" for number in range(16, 16 + COLOURS)]
MARKS = {"deploy": "#010201", "switch": "#010202", "rollback": "#010203", "failed": "#010204"}
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES)},
    **{colour: f"--{kind}" for kind, colour in MARKS.items()},
}
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
UTC = datetime.timezone.utc
# Nothing was noted for so many times as long as usual: there the line breaks.
GAP = 3.5
# Signs of marks would lie one on the other that are nearer than this part of the chart.
NEAR = 0.05
MARK = {"linewidth": 1.1, "linestyle": (0, (3, 2))}


def draw(chart: Chart, marks: Sequence[Mark], since: float, until: float) -> str:
    """The chart as an SVG element. The same input gives the same text."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": chart.name}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        _prepare(axes, chart, since, until)
        for line in chart.lines:
            _draw_line(axes, line)
        axes.set_ylim(bottom=0, top=_top(chart))
        for number, mark in enumerate(marks):
            axes.axvline(_moment(mark.at), color=MARKS[mark.kind], **MARK).set_gid(f"{chart.name}-{number}")
        for group in _near(marks, (until - since) * NEAR):
            _sign(axes, group)
        drawn = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", transparent=True, metadata=nothing)
    return _for_page(drawn.getvalue(), chart, marks)


def _prepare(axes: Axes, chart: Chart, since: float, until: float) -> None:
    axes.set_xlim(_moment(since), _moment(until))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.5)
    axes.tick_params(length=2, width=0.6)
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC, show_offset=False))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=chart.whole, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: chart.show(value)))


def _top(chart: Chart) -> float:
    """The end of the axis: with room above what there is, and not 0 where there is nothing."""
    values = [value for line in chart.lines for _at, value in line.points if value is not None]
    return max([value * 1.12 for value in values], default=0) or 1


def _draw_line(axes: Axes, line: Line) -> None:
    points = list(_with_gaps(line.points))
    if not points:
        return
    moments = [_moment(at) for at, _value in points]
    values = [float("nan") if value is None else value for _at, value in points]
    colour = SERIES[line.colour % COLOURS]
    alone = "o" if len(points) == 1 else ""
    axes.plot(moments, values, color=colour, linestyle=line.style, linewidth=1.3, marker=alone, markersize=3)


def _with_gaps(points: Sequence[tuple[float, float | None]]) -> Sequence[tuple[float, float | None]]:
    steps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(points)]
    if not steps:
        return points
    longest = GAP * statistics.median(steps)
    found = list(points[:1])
    for step, point in zip(steps, points[1:]):
        if step > longest:
            found.append((point[0] - step / 2, None))
        found.append(point)
    return found


def _near(marks: Sequence[Mark], distance: float) -> list[list[Mark]]:
    """The marks in their order, those together that are near the one before."""
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and mark.at - groups[-1][-1].at < distance:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _sign(axes: Axes, group: Sequence[Mark]) -> None:
    """What stands above the chart, where no line is: a number, or the first and the last of several."""
    sign = group[0].sign if len(group) == 1 else f"{group[0].sign}–{group[-1].sign}"
    at = (group[0].at + group[-1].at) / 2
    colour = MARKS[group[0].kind] if len({mark.kind for mark in group}) == 1 else INK
    place = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom"}
    axes.annotate(sign, (_moment(at), 1), **place, color=colour, size=7.5, weight="bold")


def _moment(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, UTC)


# --- what a page needs -----------------------------------------------------------------------------------------------


def _for_page(drawn: str, chart: Chart, marks: Sequence[Mark]) -> str:
    """The element alone, in the page's colours and fonts, as large as its place, and with a word to each mark."""
    svg = drawn[drawn.index("<svg") :].strip()
    svg = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{escape(chart.title)}">',
        svg,
        count=1,
    )
    svg = re.sub(r"#0[0-9a-f]{5}", lambda found: _variable(found[0]), svg)
    svg = re.sub(r" font-family: [^;\"]*;?", "", svg)
    for number, mark in enumerate(marks):
        svg = svg.replace(f'<g id="{chart.name}-{number}">', f"<g><title>{escape(mark.told)}</title>", 1)
    return re.sub(r'<g id="[^"]*">', "<g>", svg)  # every chart has the same ones


def _variable(colour: str) -> str:
    return f"var({VARIABLES[colour]})" if colour in VARIABLES else colour
