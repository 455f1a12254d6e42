"""Labels by role and tone: the style sheet knows both."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel


def label(text: str = "", *, role: str = "", tone: str = "", wrap: bool = False) -> QLabel:
    """Make a label.

    Parameters
    ----------
    text : str
    role : {'', 'title', 'heading', 'huge', 'small'}
        Size and weight.
    tone : {'', 'muted', 'good', 'warning', 'alarm', 'edited'}
        Color.
    wrap : bool
    """
    made = QLabel(text)
    made.setProperty("role", role)
    made.setProperty("tone", tone)
    made.setWordWrap(wrap)
    return made


def say(shown: QLabel, text: str, tone: str = "") -> None:
    """Set text and tone, each only where it changes: styling and layout cost time."""
    if shown.text() != text:
        shown.setText(text)
    if shown.property("tone") != tone:
        shown.setProperty("tone", tone)
        shown.style().unpolish(shown)
        shown.style().polish(shown)
