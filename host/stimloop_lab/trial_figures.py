"""Drawings of a trial: every cell beside its arm's mean and interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from stimloop.drawing import ADMITTED, DELIVERED, LEVEL, STYLE, svg
from stimloop_lab.results import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

DRAWN = (
    *("teed_ratio", "envelope_ratio", "mean_error", "long_per_min"),
    *("time_on", "switches_per_min"),
)
POINTS = 400
"""More cells of an arm than this cannot be told apart."""


def arms(found: Mapping[str, Mapping[str, Any]], label: str) -> str:
    """Draw the metrics that matter most, a panel each, a line for each arm.

    Parameters
    ----------
    found : mapping
        Arm → metric → ``mean``, ``low``, ``high``, ``values``.
    label : str
        What it shows, for who does not see it.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    measures = [measure for measure in MEASURES if measure.name in DRAWN]
    names = list(found)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 2 * (0.9 + 0.28 * len(names))), layout="constrained")
        panels = figure.subplots(2, 3, sharey=True)
        for axes, measure in zip(panels.flat, measures, strict=True):
            for row, name in enumerate(names):
                told = found[name][measure.name]
                values = np.array(told["values"]) * measure.factor
                _draw(axes, row, values, [told[k] * measure.factor for k in _TOLD])
            unit = f", {measure.unit}" if measure.unit else ""
            axes.set_xlabel(f"{measure.label}{unit}")
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
