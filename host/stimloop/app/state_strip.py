"""The device's state along the time axis: blocks with names, hatched where it is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPen

from stimloop.app import axes
from stimloop.app.language import tr
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    import numpy.typing as npt
    from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

    from stimloop.app.theme import Theme

_LOOKS: dict[int, tuple[str, Qt.BrushStyle]] = {
    State.STIMULATING: ("good", Qt.BrushStyle.SolidPattern),
    State.ALONE: ("good", Qt.BrushStyle.SolidPattern),
    State.HOLD: ("warning", Qt.BrushStyle.BDiagPattern),
    State.FALLBACK: ("warning", Qt.BrushStyle.DiagCrossPattern),
    State.RAMPING_DOWN: ("muted", Qt.BrushStyle.Dense5Pattern),
    State.FAULT: ("alarm", Qt.BrushStyle.CrossPattern),
}
"""Role of the color and the hatching; all others are empty."""


def state_name(number: int) -> str:
    """In words, as the device's table has it."""
    try:
        return State(number).name.replace("_", " ").lower()
    except ValueError:
        return tr("state {number}", number=number)


class StateStrip(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """Blocks from one change of state to the next, in a plot of height 0 to 1.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._runs: list[tuple[float, float, int]] = []
        self._rect = QRectF()

    @property
    def runs(self) -> list[tuple[float, float, int]]:
        """Begin and end, s, and state of each block."""
        return list(self._runs)

    def draw(
        self, x: npt.NDArray[np.float64], state: npt.NDArray[np.int32], end: float
    ) -> None:
        """Show states from their times, s, the last one until `end`."""
        if not x.size:
            runs = []
        else:
            begins = np.concatenate([[0], np.flatnonzero(np.diff(state)) + 1])
            ends = [*x[begins[1:]].tolist(), end]
            runs = list(zip(x[begins].tolist(), ends, state[begins].tolist(), strict=True))
        if runs != self._runs:
            self._runs = runs
            left = runs[0][0] if runs else 0.0
            self.prepareGeometryChange()
            self._rect = QRectF(left, 0, max(end - left, 1e-9), 1)
            self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802  Qt's name
        """What it covers."""
        return self._rect

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionGraphicsItem,  # noqa: ARG002  of Qt
        widget: QWidget | None = None,  # noqa: ARG002
    ) -> None:
        """Paint in pixels, so that words and hatching keep their shape."""
        transform = painter.transform()
        clip = transform.mapRect(self.getViewBox().viewRect())
        painter.save()
        painter.resetTransform()
        painter.setFont(axes.small_font(self._theme))
        for begin, end, number in self._runs:
            box = transform.mapRect(QRectF(begin, 0.06, end - begin, 0.88)).intersected(clip)
            if box.width() <= 0:
                continue
            role, pattern = _LOOKS.get(number, ("muted", Qt.BrushStyle.NoBrush))
            painter.setPen(QPen(self._theme.color(role)))
            painter.setBrush(QBrush(self._theme.color(role, 0.35), pattern))
            painter.drawRect(box)
            painter.setPen(self._theme.color("text"))
            inside = box.adjusted(5, 0, -3, 0)
            words = painter.fontMetrics().elidedText(
                state_name(number), Qt.TextElideMode.ElideRight, int(inside.width())
            )
            if len(words) > 2:
                painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()
