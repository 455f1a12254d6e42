"""Where the time of a tick goes: a histogram, and each stage beside its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.label import label, say
from stimloop.app.language import tr

if TYPE_CHECKING:
    import numpy.typing as npt
    from PySide6.QtWidgets import QLabel

    from stimloop.app.theme import Theme

BUDGET_US = {
    "decode": 200,
    "detect": 200,
    "control": 100,
    "govern": 100,
    "write": 400,
    "total": 1000,
}
"""By stage, µs; in all a twentieth of a tick of 20 ms: a design choice, not a limit."""
SECONDS = 120
"""Of the session that are told."""
_EDGES_US = np.geomspace(5, 100_000, 87)
_DECADES_US = (10, 100, 1000, 10_000, 100_000)


class LatencyView(QWidget):
    """The latencies of the session's last minutes.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._canvas = axes.canvas(theme)
        self._plot = axes.plot(
            theme, left=tr("Ticks"), bottom=tr("from bytes to order"), bottom_unit="µs"
        )
        self._plot.getAxis("left").setWidth(52)
        self._plot.getAxis("bottom").setTicks(
            [[(float(np.log10(us)), f"{us:g}") for us in _DECADES_US]]
        )
        self._plot.setXRange(np.log10(_EDGES_US[0]), np.log10(_EDGES_US[-1]))
        self._canvas.addItem(self._plot)
        self._bars = pg.PlotCurveItem(
            np.log10(_EDGES_US),
            np.zeros(len(_EDGES_US) - 1),
            stepMode="center",
            fillLevel=0,
            brush=theme.color("accent", 0.5),
            pen=pg.mkPen(theme.color("accent")),
        )
        self._plot.addItem(self._bars, ignoreBounds=True)
        pen = pg.mkPen(theme.color("alarm"), style=Qt.PenStyle.DashLine)
        budget = pg.InfiniteLine(
            float(np.log10(BUDGET_US["total"])),
            angle=90,
            pen=pen,
            label=tr("budget"),
            labelOpts={"position": 0.92, "color": theme.color("alarm")},
        )
        budget.label.setFont(axes.small_font(theme))
        self._plot.addItem(budget, ignoreBounds=True)
        self._cells: dict[tuple[str, str], QLabel] = {}
        table = QGridLayout()
        table.setHorizontalSpacing(10)
        table.setVerticalSpacing(2)
        heads = (tr("stage"), "p50", "p99", tr("budget"), "")
        for column, head in enumerate(heads):
            table.addWidget(label(head, role="small", tone="muted"), 0, column)
        for row, (stage, budget_us) in enumerate(BUDGET_US.items(), 1):
            table.addWidget(label(tr(stage)), row, 0)
            for column, name in enumerate(("p50", "p99"), 1):
                self._cells[stage, name] = cell = label("–")
                cell.setAlignment(Qt.AlignmentFlag.AlignRight)
                table.addWidget(cell, row, column)
            limit = label(str(budget_us), tone="muted")
            limit.setAlignment(Qt.AlignmentFlag.AlignRight)
            table.addWidget(limit, row, 3)
            self._cells[stage, "verdict"] = verdict = label("")
            table.addWidget(verdict, row, 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self._canvas, 1)
        layout.addWidget(label(tr("µs, the last {s} s", s=SECONDS), role="small", tone="muted"))
        layout.addLayout(table)

    def show_steps(self, rows: npt.NDArray[np.void]) -> None:
        """Show the latencies of steps, rows of `stimloop.station.ring.STEPS`."""
        rows = rows[rows["total_ns"] > 0]
        if not len(rows):
            return
        counts, _ = np.histogram(rows["total_ns"] / 1000, _EDGES_US)
        self._bars.setData(np.log10(_EDGES_US), counts)
        self._plot.setYRange(0, 1.1 * max(1, int(counts.max())))
        for stage, budget_us in BUDGET_US.items():
            p50, p99 = np.percentile(rows[f"{stage}_ns"] / 1000, (50, 99))
            say(self._cells[stage, "p50"], f"{p50:.0f}")
            say(self._cells[stage, "p99"], f"{p99:.0f}")
            over = p99 > budget_us
            say(
                self._cells[stage, "verdict"],
                tr("over") if over else tr("within"),
                "warning" if over else "good",
            )
