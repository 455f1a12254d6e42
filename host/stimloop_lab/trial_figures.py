"""Drawings of a trial: every cell beside its arm's mean and interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from stimloop.drawing import ADMITTED, DELIVERED, LEVEL, STYLE, svg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from stimloop_lab.measures import Measure

POINTS = 400
"""More cells of an arm than this cannot be told apart."""


def arms(found: Mapping[str, Mapping[str, Any]], shown: Sequence[Measure], label: str) -> str:
    """Draw the metrics that matter most, a panel each, a line for each arm.

    Parameters
    ----------
    found : mapping
        Arm → metric → ``mean``, ``low``, ``high``, ``values``.
    shown : sequence of Measure
        Of these those that are to be drawn.
    label : str
        What it shows, for who does not see it.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    measures = [measure for measure in shown if measure.drawn]
    columns = -(-len(measures) // 2)
    names = list(found)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 2 * (0.9 + 0.28 * len(names))), layout="constrained")
        panels = figure.subplots(2, columns, sharey=True)
        for axes, measure in zip(panels.flat, measures, strict=False):
            for row, name in enumerate(names):
                told = found[name][measure.name]
                values = np.array(told["values"]) * measure.factor
                _draw(axes, row, values, [told[k] * measure.factor for k in _TOLD])
            unit = f", {measure.shown}" if measure.shown else ""
            mark = "\n(illustrative)" if measure.illustrative else ""
            axes.set_xlabel(f"{measure.label}{unit}{mark}")
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_yticks(range(len(names)), names)
        return svg(figure, label)


_TOLD = ("mean", "low", "high")


def _draw(axes: Axes, row: int, values: np.ndarray[Any, Any], told: list[float]) -> None:
    known = values[~np.isnan(values)][:POINTS]
    # Spread evenly, so that equal cells do not hide each other and two runs draw alike.
    spread = row + 0.3 * (np.arange(known.size) % 5 - 2) / 2
    axes.plot(known, spread, ".", markersize=3, color=LEVEL, alpha=0.5)
    mean, low, high = told
    axes.plot([low, high], [row, row], color=ADMITTED, linewidth=2.5)
    axes.plot([mean], [row], "o", markersize=5, color=DELIVERED)
