"""The line above the safety bar: the latest sentence that the operator has to read."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton

from stimloop.app.label import label, say
from stimloop.app.language import tr

SIGNS = {"alarm": "⚠", "warning": "⚠", "good": "✓"}


class Notice(QFrame):
    """A sentence, which stays until it is put away or another one comes."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self._text = label(wrap=True)
        self._text.setAccessibleName(tr("Notice"))
        away = QPushButton(tr("Dismiss"))
        away.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 4, 8, 4)
        row.addWidget(self._text, 1)
        row.addWidget(away)
        self.hide()

    @property
    def text(self) -> str:
        """What it says, empty if it was put away."""
        return "" if self.isHidden() else self._text.text()

    def show_sentence(self, sentence: str, tone: str) -> None:
        """Show a sentence in place of the one before."""
        say(self._text, f"{SIGNS.get(tone, '')} {sentence}".strip(), tone)
        self.show()
