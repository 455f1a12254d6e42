"""The line above the safety bar: what the operator has to read."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton

from stimloop.app.label import label, say
from stimloop.app.language import tr

SIGNS = {"alarm": "⚠", "warning": "⚠", "good": "✓"}
MOST = 20
"""So many sentences wait at most; the oldest go."""


class Notice(QFrame):
    """Sentences, of which one is shown: alarms before all others, then the latest.

    Each stays until it is put away; a confirmation gives way to whatever comes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self._waiting: list[tuple[str, str]] = []
        self._text = label(wrap=True)
        self._text.setAccessibleName(tr("Notice"))
        self._away = QPushButton(tr("Dismiss"))
        self._away.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 4, 8, 4)
        row.addWidget(self._text, 1)
        row.addWidget(self._away)
        self._show()

    @property
    def text(self) -> str:
        """What it says, empty if nothing waits to be read."""
        return self._waiting[0][0] if self._waiting else ""

    def show_sentence(self, sentence: str, tone: str) -> None:
        """Add a sentence.

        Parameters
        ----------
        sentence : str
        tone : str
            See `stimloop.app.label.label`.
        """
        others = [(s, t) for s, t in self._waiting if t != "good" and s != sentence]
        self._waiting = [(sentence, tone), *others[: MOST - 1]]
        self._waiting.sort(key=lambda one: one[1] != "alarm")
        self._show()

    def dismiss(self) -> None:
        """Put the sentence that is shown away; the next one comes."""
        del self._waiting[:1]
        self._show()

    def _show(self) -> None:
        self.setVisible(bool(self._waiting))
        if self._waiting:
            sentence, tone = self._waiting[0]
            say(self._text, f"{SIGNS.get(tone, '')} {sentence}".strip(), tone)
            more = len(self._waiting) - 1
            self._away.setText(tr("Next of {more}", more=more) if more else tr("Dismiss"))
