"""Questions to the operator: modal over the pages, never over the safety bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from stimloop.app.label import label
from stimloop.app.language import tr

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QKeyEvent, QPaintEvent
    from PySide6.QtWidgets import QLabel

    from stimloop.app.theme import Theme


class Sheet(QWidget):
    """A dialog inside the window: it covers what is below it, and takes its focus.

    Qt blocks the mouse of every other window while a modal dialog is open, and with it a STOP
    button. So questions are asked inside the window, over the pages alone.

    Parameters
    ----------
    parent : QWidget
        What it covers.
    title : str
    theme : Theme

    Attributes
    ----------
    body : QVBoxLayout
        For what it asks.
    buttons : list of QPushButton
        Its answers, the one that says yes last.
    accepted, closed : Signal
        The answer was yes; it is gone, whatever the answer.
    """

    accepted = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget, title: str, theme: Theme) -> None:
        super().__init__(parent)
        self.setObjectName("shade")
        self._covered = parent
        self._theme = theme
        self._before = parent.window().focusWidget()
        self.frame = QFrame()
        self.frame.setObjectName("sheet")
        self.frame.setAccessibleName(title)
        heading = label(title, role="title", wrap=True)
        self.body = QVBoxLayout()
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout()
        self._row.addStretch()
        inner = QVBoxLayout(self.frame)
        inner.setContentsMargins(28, 24, 28, 24)
        inner.setSpacing(16)
        inner.addWidget(heading)
        inner.addLayout(self.body)
        inner.addLayout(self._row)
        # Without an alignment, which would cost wrapped paragraphs their height.
        middle = QHBoxLayout()
        middle.addStretch(1)
        middle.addWidget(self.frame, 4)
        middle.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 24, 24, 24)
        outer.addStretch(1)
        outer.addLayout(middle)
        outer.addStretch(1)
        parent.installEventFilter(self)

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802  Qt's name
        """Dim what cannot be used now."""
        painter = QPainter(self)
        painter.fillRect(event.rect(), self._theme.color("ground", 0.75))

    def say(self, text: str, tone: str = "") -> QLabel:
        """Add a paragraph."""
        paragraph = label(text, tone=tone, wrap=True)
        paragraph.setMinimumWidth(460)
        self.body.addWidget(paragraph)
        return paragraph

    def answer(self, text: str, *, yes: bool = False) -> QPushButton:
        """Add a button that ends it; the one that says yes says so with `accepted`."""
        button = QPushButton(text)
        if yes:
            button.setProperty("role", "primary")
            button.clicked.connect(self.accepted)
        button.clicked.connect(self.dismiss)
        self._row.addWidget(button)
        self.buttons.append(button)
        return button

    def ask(self, yes: str, no: str = "") -> None:
        """Show it with two buttons; the focus is on the one that changes nothing."""
        cautious = self.answer(no or tr("Cancel"))
        self.answer(yes, yes=True)
        self.present(cautious)

    def present(self, focus: QWidget | None = None) -> None:
        """Show it over all of its parent."""
        self.setGeometry(self._covered.rect())
        self.show()
        self.raise_()
        (focus or self.frame).setFocus(Qt.FocusReason.PopupFocusReason)

    def dismiss(self) -> None:
        """Put it away, and the focus back."""
        self._covered.removeEventFilter(self)
        self.hide()
        if self._before is not None:
            self._before.setFocus()
        self.closed.emit()
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Stay as large as what it covers."""
        if watched is self._covered and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._covered.rect())
        return False

    def focusNextPrevChild(self, forward: bool) -> bool:  # noqa: N802  Qt's name
        """Keep the tab key inside."""
        stops = [
            widget
            for widget in self.frame.findChildren(QWidget)
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible()
        ]
        if not stops:
            return True
        focus = self.window().focusWidget()
        at = stops.index(focus) if focus in stops else -1
        following = stops[(at + (1 if forward else -1)) % len(stops)]
        following.setFocus(Qt.FocusReason.TabFocusReason)
        return True

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  Qt's name
        """Enter presses the button that has the focus, no other."""
        focus = self.window().focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(
            focus, QPushButton
        ):
            focus.click()
        event.accept()
