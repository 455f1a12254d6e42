"""Plots that tell the truth: fixed ranges, SI units as they are written, one cursor for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QGraphicsRectItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QColor, QFont

    from stimloop.app.theme import Theme

AXIS_PX = 60
"""Width of a left axis without a name beside it."""
LANES_PX = 92
"""The same with the names of channels; in a column of plots all axes are as wide."""
SMALL = 0.8
"""Size of the numbers of an axis over that of the body."""


def small_font(theme: Theme) -> QFont:
    """The font of an axis' numbers."""
    return theme.font(SMALL)


def canvas(theme: Theme) -> pg.GraphicsLayoutWidget:
    """A place for plots, in the colors of a theme; it takes no wheel and no drag by itself."""
    view = pg.GraphicsLayoutWidget()
    view.setBackground(theme.color("surface"))
    view.setAntialiasing(False)
    view.setFrameShape(view.Shape.NoFrame)
    view.ci.layout.setContentsMargins(4, 6, 4, 2)
    view.ci.layout.setVerticalSpacing(4)
    view.ci.layout.setHorizontalSpacing(4)
    return view


def plot(
    theme: Theme,
    *,
    left: str,
    unit: str = "",
    bottom: str = "",
    bottom_unit: str = "",
    inside: bool = False,
) -> pg.PlotItem:
    """A plot with named axes.

    Parameters
    ----------
    theme : Theme
    left, bottom : str
        What the axes show; no bottom axis if it has no name.
    unit, bottom_unit : str
        Their units as they stand on the axis: no prefix is ever put before them.
    inside : bool
        The left axis' name stands inside the plot: in a low one there is no room beside it.
    """
    item = pg.PlotItem(enableMenu=False)
    item.hideButtons()
    item.setMouseEnabled(x=False, y=False)
    item.setDefaultPadding(0)
    item.disableAutoRange()
    item.showGrid(x=True, y=True, alpha=0.18)
    for side, text, of in (("left", left, unit), ("bottom", bottom, bottom_unit)):
        axis = item.getAxis(side)
        axis.enableAutoSIPrefix(enable=False)
        words = f"{text} ({of})" if of else text
        axis.setLabel("" if inside and side == "left" else words)
        axis.setPen(theme.color("line"))
        axis.setTextPen(theme.color("text"))
        axis.setTickFont(small_font(theme))
        axis.label.setFont(small_font(theme))
        # Its picture is kept: with the grid it would cost more than the curves.
        axis.setCacheMode(axis.CacheMode.DeviceCoordinateCache)
        axis.setStyle(tickTextOffset=4, maxTickLevel=0, hideOverlappingLabels=True)
    item.getAxis("left").setWidth(AXIS_PX)
    if inside:
        name(theme, item, f"{left} ({unit})" if unit else left)
    item.showAxis("bottom", show=bool(bottom))
    return item


def name(theme: Theme, item: pg.PlotItem, words: str) -> pg.LabelItem:
    """Write a plot's name into its upper left corner."""
    shown = pg.LabelItem(words, color=theme.text, justify="left")
    shown.item.setFont(theme.font(SMALL, bold=True))
    shown.setParentItem(item.getViewBox())
    shown.anchor((0, 0), (0, 0), offset=(6, 0))
    shown.setZValue(20)
    # On a ground of its own, so that no curve crosses the words.
    ground = QGraphicsRectItem(shown.item.boundingRect(), shown)
    ground.setFlag(ground.GraphicsItemFlag.ItemStacksBehindParent)
    ground.setBrush(theme.color("surface", 0.8))
    ground.setPen(Qt.PenStyle.NoPen)
    return shown


def curve(color: QColor | str, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> pg.PlotCurveItem:
    """A line one pixel wide: a wider one costs eight times as much to draw."""
    return pg.PlotCurveItem(
        pen=pg.mkPen(color, width=1, style=style), antialias=False, skipFiniteCheck=True
    )


def draw(item: pg.PlotCurveItem, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    """Set the points of a curve; it is broken where a point is nan."""
    item.setData(x, y, connect="finite", skipFiniteCheck=False)


def text(theme: Theme, role: str = "text", *, bold: bool = False) -> pg.TextItem:
    """A text inside a plot, on the plot's own ground so that no curve crosses it."""
    item = pg.TextItem(color=theme.color(role), fill=theme.color("surface", 0.8))
    item.setFont(theme.font(SMALL, bold=bold))
    return item


class Cursor(QObject):
    """One line at one time through several plots; it follows the mouse in any of them.

    Parameters
    ----------
    theme : Theme
    plots : sequence of PlotItem
        All with the same horizontal axis.
    """

    moved = Signal(float)
    """To a time of the axis, s."""

    def __init__(self, theme: Theme, plots: Sequence[pg.PlotItem]) -> None:
        super().__init__()
        self._plots = list(plots)
        pen = pg.mkPen(theme.color("text", 0.75), width=1, style=Qt.PenStyle.DotLine)
        self._lines = [pg.InfiniteLine(angle=90, pen=pen) for _ in plots]
        for item, line in zip(self._plots, self._lines, strict=True):
            line.setZValue(50)
            line.hide()
            item.addItem(line, ignoreBounds=True)
        self._plots[0].scene().sigMouseMoved.connect(self._follow)

    @property
    def is_shown(self) -> bool:
        """Whether it stands somewhere."""
        return bool(self._lines[0].isVisible())

    @property
    def x(self) -> float:
        """Where it is, in the axis' unit."""
        return float(self._lines[0].value())

    def move(self, x: float) -> None:
        """Put it to a time."""
        for line in self._lines:
            line.setValue(x)
            line.show()
        self.moved.emit(x)

    def hide(self) -> None:
        """Take it away."""
        for line in self._lines:
            line.hide()

    def _follow(self, at: QPointF) -> None:
        for item in self._plots:
            if item.isVisible() and item.getViewBox().sceneBoundingRect().contains(at):
                self.move(item.getViewBox().mapSceneToView(at).x())
                return
        self.hide()


def stairs(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of a line that holds each value until the next; only where it changes."""
    kept = np.flatnonzero(np.diff(y, prepend=np.nan) != 0)
    at = np.append(x[kept], x[-1])
    value = np.append(y[kept], y[-1])
    return np.repeat(at, 2)[1:], np.repeat(value, 2)[:-1]
