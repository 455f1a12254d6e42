"""The emergency stop: whatever has the focus, whatever dialog is open, without a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDialog, QLineEdit, QWidget

from stimloop.app.emergency import Emergency
from stimloop.app.sheet import Sheet
from stimloop.app.theme import DARK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

KEYS = (Qt.Key.Key_Escape, Qt.Key.Key_F12)


@pytest.fixture
def stops(qapp: QApplication) -> Iterator[list[int]]:
    """Grows by one with every stop that was sent."""
    sent: list[int] = []
    emergency = Emergency(lambda: sent.append(1))
    emergency.install(qapp)
    yield sent
    qapp.removeEventFilter(emergency)


@pytest.mark.parametrize("key", KEYS)
def test_one_press_of_a_key_is_one_stop(key: Qt.Key, stops: list[int], qtbot: QtBot) -> None:
    field = QLineEdit("typed")
    qtbot.addWidget(field)
    field.show()
    qtbot.keyClick(field, key)
    assert stops == [1]
    assert field.text() == "typed"


@pytest.mark.parametrize("key", KEYS)
def test_a_modal_dialog_does_not_keep_the_stop_back_and_is_put_away(
    key: Qt.Key, stops: list[int], qtbot: QtBot
) -> None:
    owner = QWidget()
    qtbot.addWidget(owner)
    owner.show()
    dialog = QDialog(owner)
    dialog.setModal(True)
    field = QLineEdit(dialog)
    dialog.show()
    qtbot.keyClick(field, key)
    assert stops == [1]
    assert not dialog.isVisible()


def test_an_open_list_does_not_keep_the_stop_back(stops: list[int], qtbot: QtBot) -> None:
    box = QComboBox()
    box.addItems(["one", "two"])
    qtbot.addWidget(box)
    box.show()
    box.showPopup()
    qtbot.keyClick(box.view(), Qt.Key.Key_Escape)
    assert stops == [1]


def test_other_keys_stop_nothing(stops: list[int], qtbot: QtBot) -> None:
    field = QLineEdit()
    qtbot.addWidget(field)
    field.show()
    qtbot.keyClicks(field, "stop")
    assert not stops
    assert field.text() == "stop"


def test_a_question_covers_its_parent_and_nothing_else(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    pages = QWidget(window)
    pages.setGeometry(0, 0, 300, 200)
    window.resize(300, 300)
    window.show()
    sheet = Sheet(pages, "Really?", DARK)
    sheet.ask("Yes")
    assert sheet.geometry() == pages.rect()
    assert not sheet.isWindow()
    pages.resize(300, 250)
    assert sheet.geometry() == pages.rect()
