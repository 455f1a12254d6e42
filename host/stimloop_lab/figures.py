"""The frontier as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stimloop_lab.frontier import Price

COLOURS = ("#1b6ca8", "#4c9f70", "#7a5195", "#d1495b", "#c98a1b", "#11777b", "#8a8a8a")


def draw(
    panels: Mapping[str, Sequence[Sequence[Price]]], highlighted: Sequence[str], path: Path
) -> None:
    """Draw median delay against false-alarm time.

    Parameters
    ----------
    panels : mapping
        From a panel's title to the prices of each contender.
    highlighted : sequence of str
        Contenders that are drawn strong and named; the others show where the frontier is.
    path : Path
        An SVG file.
    """
    figure = Figure(figsize=(4.6 * len(panels), 4.8), layout="constrained")
    FigureCanvasSVG(figure)
    shared = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, contenders) in zip(shared, panels.items(), strict=True):
        for prices in contenders:
            if prices[0].name not in highlighted:
                axes.plot(*_points(prices), color="#d5dade", linewidth=0.8, zorder=1)
        for colour, name in zip(COLOURS, highlighted, strict=False):
            for prices in contenders:
                if prices[0].name == name:
                    false, delays = _points(prices)
                    axes.plot(
                        false,
                        delays,
                        color=colour,
                        linewidth=2,
                        marker="o",
                        markersize=3.5,
                        label=name,
                        zorder=3,
                    )
                    axes.plot(
                        [100 * p.false_time for p in prices],
                        [p.p90_ms for p in prices],
                        color=colour,
                        linewidth=0.8,
                        linestyle=":",
                        zorder=2,
                    )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.set_yticks([20, 50, 100, 200, 500], minor=False)
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda _y, _: ""))
        axes.set_xlabel("false-alarm time [% of quiet time]")
        axes.set_title(title, fontsize=10)
        axes.grid(visible=True, which="major", color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
    shared[0].set_ylabel("delay from a burst's onset [ms]")
    handles, labels = shared[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=8,
        title="solid: median, dotted: 90th percentile, grey: every other contender",
        title_fontsize=8,
    )
    figure.savefig(path, format="svg", metadata={"Date": None})


def _points(prices: Sequence[Price]) -> tuple[list[float], list[float]]:
    told = [p for p in prices if p.median_ms == p.median_ms]
    return [100 * p.false_time for p in told], [p.median_ms for p in told]
