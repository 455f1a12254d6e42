"""The spectrogram: a column around the middle of its window, a row around its frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF

from stimloop.app import axes
from stimloop.app.language import tr
from stimloop.app.memory import TOP_HZ

if TYPE_CHECKING:
    from stimloop.app.memory import Memory
    from stimloop.app.theme import Theme

DECIBELS = (-30.0, 20.0)
"""Range of the colors until it is fitted, dB re 1 µV²/Hz."""


class Spectrogram:
    """A plot and the bar of its colors.

    Attributes
    ----------
    plot : PlotItem
    bar : ColorBarItem
    """

    def __init__(self, theme: Theme) -> None:
        self.plot = axes.plot(theme, left=tr("Frequency"), unit="Hz", inside=True)
        self.plot.setYRange(0, TOP_HZ)
        self.plot.showGrid(x=False, y=False)
        self._image = pg.ImageItem(axisOrder="col-major")
        colors = pg.colormap.get("viridis")
        self._image.setColorMap(colors)
        self.plot.addItem(self._image)
        self.bar = pg.ColorBarItem(
            values=DECIBELS, colorMap=colors, width=14, interactive=False
        )
        self.bar.setImageItem(self._image)
        axis = self.bar.getAxis("right")
        axis.setTickFont(axes.small_font(theme))
        axis.setTextPen(theme.color("text"))
        axis.label.setFont(axes.small_font(theme))
        axis.setLabel(tr("dB re 1 µV²/Hz"))
        self._drawn: tuple[object, ...] = ()
        self._centre = self._width = 0

    def fit(self, memory: Memory) -> None:
        """Choose the range of the colors by what is seen, and keep it."""
        db = memory.waterfall.drawn(*memory.window)[1]
        db = db[np.isfinite(db)]
        if db.size:
            low, high = np.percentile(db, (5, 99.8))
            self.bar.setLevels((5 * np.floor(low / 5), 5 * np.ceil(high / 5)))

    def draw(self, memory: Memory) -> None:
        """Draw what is seen; the image is made anew only when it has another column."""
        waterfall = memory.waterfall
        what = (id(waterfall), waterfall.newest, memory.window[0] // waterfall.hop)
        if what != self._drawn:
            self._drawn = what
            self._centre, db = waterfall.drawn(*memory.window)
            self._width = len(db)
            if self._width:
                self._image.setImage(db, autoLevels=False)
        rate_hz, hop = memory.shown.rate_hz, waterfall.hop
        left = memory.newest_s + (self._centre - hop / 2 - memory.samples.end) / rate_hz
        bin_hz = waterfall.hz[1] - waterfall.hz[0]
        self._image.setVisible(self._width > 0)
        self._image.setRect(
            QRectF(left, -bin_hz / 2, self._width * hop / rate_hz, waterfall.hz.size * bin_hz)
        )
