"""Manners of the window: names, targets, words for translation, nothing clipped, any key."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QToolButton,
    QWidget,
)

import stimloop.app
from stimloop.app.program_sheets import ReadBackSheet, StartSheet
from stimloop.app.shortcuts import ShortcutSheet
from stimloop.app.theme import SCALES, TARGET_PX, THEMES, Theme
from stimloop.app.window import SMALLEST
from stimloop.station import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot
    from tests.app.operator import Operator

FOLDER = Path(stimloop.app.__file__).parent
SHOWING = {
    *("label", "say", "square", "tab", "answer", "ask", "show_sentence"),
    *("QLabel", "QPushButton", "QAction", "QCheckBox", "QRadioButton", "setText"),
    *("setToolTip", "setAccessibleName", "setPlaceholderText", "setWindowTitle", "addItem"),
}
"""What puts its first argument on the screen."""


def literals(path: Path) -> Iterator[str]:
    """Words that a module shows without `tr`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        of = getattr(getattr(node.func, "value", None), "attr", "")
        first = node.args[0]
        shows = name in SHOWING or (of, name) == ("notice", "emit")
        if shows and isinstance(first, ast.Constant) and isinstance(first.value, str):
            text = first.value.replace("mA", "")
            if any(sign.isalpha() for sign in text):
                yield f"{path.name}:{node.lineno} {first.value!r}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_word_on_the_screen_can_be_translated(path: Path) -> None:
    assert not list(literals(path))


def shown(window: QWidget, *kinds: type[QWidget]) -> Iterator[QWidget]:
    """What is to be seen, and is not a part of another widget of Qt's own."""
    for kind in kinds:
        for widget in window.findChildren(kind):
            if widget.isVisible() and not widget.objectName().startswith("qt_"):
                yield widget


def nameless(window: QWidget) -> list[QWidget]:
    """Widgets with the focus within reach that a screen reader could not name."""
    return [
        widget
        for widget in shown(window, QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not widget.accessibleName()
        and not (isinstance(widget, QAbstractButton) and len(widget.text()) > 1)
        and not widget.isWindow()
        and type(widget).__name__ not in ("QScrollArea", "QStackedWidget", "QMenuBar")
    ]


def small(window: QWidget) -> list[tuple[str, int, int]]:
    """What is to be hit and is lower or narrower than a target has to be."""
    return [
        (widget.accessibleName() or str(widget), widget.width(), widget.height())
        for widget in shown(window, QAbstractButton, QComboBox, QLineEdit)
        if min(widget.width(), widget.height()) < TARGET_PX - 2
    ]


def clipped(window: QWidget) -> list[str]:
    """Texts that have less room than they need."""
    found = []
    for label in window.findChildren(QLabel):
        if not label.isVisible() or not label.text():
            continue
        if label.wordWrap():
            needed, room = label.heightForWidth(label.width()), label.height()
        else:
            needed = label.fontMetrics().horizontalAdvance(label.text())
            room = label.contentsRect().width()
        if needed > room:
            found.append(f"{label.text()!r} needs {needed} of {room}")
    for button in window.findChildren(QAbstractButton):
        if button.isVisible() and button.text() and not isinstance(button, QToolButton):
            needed = button.fontMetrics().horizontalAdvance(button.text())
            if needed > button.width() and "\n" not in button.text():
                found.append(f"{button.text()!r} needs {needed} of {button.width()}")
    found += [
        f"{tool.text()!r} is elided"
        for tool in window.findChildren(QToolButton)
        if tool.isVisible() and tool.width() < tool.sizeHint().width()
    ]
    return found


def outside(window: QWidget) -> list[str]:
    """What reaches beyond the widget that it is a part of."""
    found = []
    for widget in shown(window, QAbstractButton, QLabel, QLineEdit, QComboBox):
        whole = widget.parentWidget()
        if whole is not None and not whole.rect().contains(widget.geometry()):
            found.append(f"{widget.accessibleName() or widget} reaches out of {whole}")
    return found


def seen(operator: Operator, qtbot: QtBot) -> None:
    """Judge what is on the screen now, where it has the least room."""
    operator.window.resize(*SMALLEST)
    qtbot.wait(20)
    assert not clipped(operator.window)
    assert not small(operator.window)
    assert not outside(operator.window)
    assert not [f"{type(w).__name__} {w.objectName()}" for w in nameless(operator.window)]


@pytest.mark.parametrize("size", [SMALLEST, (1920, 1080)])
@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_themes_and_sizes_clip_nothing(
    theme: Theme, size: tuple[int, int], operator: Operator, qtbot: QtBot
) -> None:
    operator.connect()
    operator.window.resize(*size)
    operator.window.wear(theme)
    for page in operator.window.pages:
        operator.window.show_page(page)
        qtbot.wait(20)
        assert not clipped(operator.window)
        assert not outside(operator.window)


def test_every_page_and_question_can_be_read_hit_and_named(
    operator: Operator, qtbot: QtBot
) -> None:
    seen(operator, qtbot)
    operator.connect()
    operator.until(lambda: "Off" in operator.window.safety.state_text)
    seen(operator, qtbot)
    operator.choose()
    seen(operator, qtbot)
    for button in operator.program.pane.tabs[1:]:
        operator.click(button)
        seen(operator, qtbot)
    operator.click(operator.program.pane.tabs[0])
    operator.click(operator.program.bar.stage)
    sheet = operator.sheet(ReadBackSheet)
    seen(operator, qtbot)
    operator.click(sheet.buttons[-1])
    operator.until(operator.program.bar.start.isEnabled)
    operator.click(operator.program.bar.start)
    start = operator.sheet(StartSheet)
    seen(operator, qtbot)
    operator.click(start.consent)
    operator.click(start.start)
    operator.until(operator.program.bar.end.isVisible)
    operator.raise_to(100)
    seen(operator, qtbot)
    operator.window.close()
    assert operator.window.isVisible()
    assert operator.window.questioned
    operator.click(operator.window.safety.stop)
    assert not operator.window.questioned
    operator.until(lambda: operator.shown.phase is not Phase.THERAPY)


@pytest.mark.parametrize("size", [SMALLEST, (1920, 1080)])
def test_the_largest_text_is_scrolled_to_and_not_cut(
    size: tuple[int, int], operator: Operator, qtbot: QtBot
) -> None:
    operator.connect("sim://dbs-v?seed=7&pace=real")
    operator.window.resize(*size)
    operator.window.wear(replace(THEMES["dark"], scale=SCALES[-1]))
    operator.window.show_page("program")
    qtbot.wait(50)
    assert not clipped(operator.program)
    assert not outside(operator.program)


def test_f1_shows_every_action_with_a_key(operator: Operator, qtbot: QtBot) -> None:
    qtbot.keyClick(operator.window.windowHandle(), Qt.Key.Key_F1)
    sheet = operator.sheet(ShortcutSheet)
    words = {label.text() for label in sheet.findChildren(QLabel)}
    assert {"Undo", "Ctrl+Z", "Program", "Ctrl+2", "Esc, F12"} <= words
    seen(operator, qtbot)


def test_a_contact_is_cycled_and_shared_by_keys_alone(operator: Operator, qtbot: QtBot) -> None:
    operator.connect("sim://dbs-v?seed=7&pace=real")
    operator.window.show_page("program")
    contacts = operator.program.leads["left"].view.drawing.contacts
    for name in ("1", "2"):
        contacts[name].setFocus()
        qtbot.keyClick(contacts[name], Qt.Key.Key_Space)
    assert contacts["1"].pole == contacts["2"].pole == "cathodes"
    assert (contacts["1"].percent, contacts["2"].percent) == (50, 50)
    qtbot.keyClicks(contacts["2"], "+")
    assert (contacts["1"].percent, contacts["2"].percent) == (45, 55)
    assert "cathode, 55 %" in contacts["2"].accessibleName()


def test_larger_text_is_remembered(operator: Operator) -> None:
    before_px = operator.window.theme.font().pixelSize()
    operator.window.wear(THEMES["light"])
    operator.window.larger.trigger()
    assert operator.window.theme.font().pixelSize() > before_px
    again = type(operator.window)(operator.window.watch.station, operator.window.settings)
    assert again.theme == operator.window.theme
    again.watch.end()


def test_a_meter_says_what_it_measures(operator: Operator) -> None:
    operator.connect()
    operator.window.show_page("program")
    bars = operator.program.findChildren(QProgressBar)
    assert bars
    assert all(bar.accessibleName() for bar in bars)
