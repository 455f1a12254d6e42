"""What follows a pulse: the newest sweep, and the mean of the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.label import label
from stimloop.app.language import tr

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.app.theme import Theme
    from stimloop_hw.ranges import EvokedChannel

AVERAGED = 32
"""Sweeps in the mean."""


class EvokedView(QWidget):
    """Sweeps over the time since the end of the pulse.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        canvas = axes.canvas(theme)
        self._plot = axes.plot(
            theme,
            left=tr("Evoked response"),
            unit="µV",
            bottom=tr("after the pulse"),
            bottom_unit="ms",
        )
        self._plot.getAxis("left").setWidth(60)
        canvas.addItem(self._plot)
        self._newest = axes.curve(theme.color("muted"))
        self._mean = axes.curve(theme.traces[0])
        self._plot.addItem(self._newest, ignoreBounds=True)
        self._plot.addItem(self._mean, ignoreBounds=True)
        self._expected = pg.InfiniteLine(
            angle=90,
            pen=pg.mkPen(theme.color("warning"), style=Qt.PenStyle.DashLine),
            label=tr("N1 expected"),
            labelOpts={"position": 0.06, "color": theme.color("warning")},
        )
        self._expected.label.setFont(axes.small_font(theme))
        self._expected.hide()
        self._plot.addItem(self._expected, ignoreBounds=True)
        self._sweeps: list[npt.NDArray[np.float64]] = []
        self._ms = np.empty(0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(canvas, 1)
        said = tr("thin: newest sweep · bright: mean of {n}", n=AVERAGED)
        layout.addWidget(label(said, role="small", tone="muted", wrap=True))

    def describe(self, channel: EvokedChannel, n1_ms: float) -> None:
        """Take what the device says of its sweeps, and where N1 is expected, ms."""
        begin_ms = channel.blank_us / 1000
        self._ms = begin_ms + np.arange(channel.samples) * 1000 / channel.rate_hz
        self._plot.setXRange(0, float(self._ms[-1]))
        self._expected.setValue(n1_ms)
        self._expected.show()
        self._sweeps = []

    def push(self, nv: npt.NDArray[np.int32]) -> None:
        """Take sweeps that follow, nV, shape (sweeps, samples); none before `describe`."""
        if not self._ms.size:
            return
        self._sweeps = [*self._sweeps, *(nv[:, : self._ms.size] / 1000)][-AVERAGED:]

    def fit(self) -> None:
        """Choose the vertical range by what is seen, and keep it."""
        if self._sweeps:
            most = 1.2 * float(np.abs(self._sweeps).max())
            self._plot.setYRange(-most, most)

    def draw(self) -> None:
        """Draw what is new."""
        if not self._sweeps:
            return
        axes.draw(self._newest, self._ms, self._sweeps[-1])
        axes.draw(self._mean, self._ms, np.mean(self._sweeps, axis=0))
