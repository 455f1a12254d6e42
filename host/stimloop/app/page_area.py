"""Room for a page: where there is less than its text needs, it is scrolled to and not cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

if TYPE_CHECKING:
    from PySide6.QtCore import QSize
    from PySide6.QtGui import QResizeEvent


class _Whole(QWidget):
    """As large as the window, or as the page has to be.

    Without a layout, since Qt would take the height that wrapped words would like to have for
    one that they need.
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setObjectName("scrolled")
        self._page = page
        page.setParent(self)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """The page's."""
        return self._page.minimumSizeHint()

    def event(self, event: QEvent) -> bool:
        """Hear that the page needs more room, or less."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().event(event)

    def resizeEvent(self, _event: QResizeEvent) -> None:  # noqa: N802  Qt's name
        """Let the page fill it."""
        self._page.setGeometry(self.rect())


class PageArea(QScrollArea):
    """One page of the window.

    Parameters
    ----------
    page : QWidget
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(_Whole(page))
