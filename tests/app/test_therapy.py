"""The whole way on a simulated implant, by clicks and keys: from connect to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLineEdit

from stimloop import Record
from stimloop.app.program_sheets import StartSheet
from stimloop.station import Phase
from stimloop.station.audit import rows
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from tests.app.operator import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"
PULSE_US = 2 * 60 + 30
SAMPLE_US = 4_000
"""Of the simulated implant: 60 µs, 30 µs between, recharge 1:1, at 250 Hz."""


def test_from_connect_to_stop_by_clicks_alone(operator: Operator, audit: Path) -> None:
    before = len(list(rows(audit)))
    operator.connect()
    window, program = operator.window, operator.program
    assert window.banner.text.startswith("SIMULATED DEVICE")
    program.load(EXAMPLES / "dbs_proportional.toml")
    assert program.editor is not None
    assert program.editor.edited
    assert program.leads["left"].property("edited")
    window.show_page("program")
    operator.commit()
    assert not program.editor.edited
    assert not program.leads["left"].property("edited")
    operator.start()
    operator.raise_to(300)
    operator.until(lambda: window.safety.amplitude_text == "0.300 mA")
    assert "Stimulating" in window.safety.state_text
    assert not program.pane.steppers["rate_hz"].value.isEnabled()
    assert not program.leads["left"].view.isEnabled()
    operator.click(program.bar.adapt)
    operator.until(lambda: operator.shown.adaptive)
    operator.click(window.safety.stop)
    operator.until(lambda: "Off" in window.safety.state_text)
    assert operator.shown.status.delivered_ua == 0
    told = [row.what for row in rows(audit)][before:]
    wanted = ["Connect", "Stage", "Commit", "Arm", "Start", "Change", "Adapt", "Stop"]
    assert [told.index(what) for what in wanted] == sorted(map(told.index, wanted))


def test_an_emergency_stop_with_a_modal_dialog_open_is_in_time_on_the_device_s_clock(
    operator: Operator, qtbot: QtBot
) -> None:
    operator.connect()
    operator.choose()
    operator.commit()
    operator.start()
    operator.raise_to(200)
    dialog = QDialog(operator.window)
    dialog.setModal(True)
    field = QLineEdit(dialog)
    dialog.show()
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert "acknowledged" in operator.window.notice.text
    assert not dialog.isVisible()
    operator.until(lambda: operator.shown.phase is Phase.SENSING)
    record = Record.open(operator.shown.record)
    (stopped_us,) = [e.t_us for e in record.events() if e.text == "emergency stop"]
    _, off = list(record.statuses())[-1]
    assert (off.state, off.delivered_ua) == (State.IDLE, 0)
    assert off.t_us - stopped_us <= SAMPLE_US + PULSE_US
    operator.until(lambda: operator.shown.status.t_us > off.t_us + 300_000)
    assert operator.shown.status.pulses == off.pulses > 0


def test_no_pulse_without_consent_and_a_stop_takes_the_question_away(
    operator: Operator, qtbot: QtBot
) -> None:
    operator.connect()
    operator.choose()
    operator.commit()
    operator.click(operator.program.bar.start)
    sheet = operator.sheet(StartSheet)
    assert not sheet.start.isEnabled()
    assert operator.window.questioned
    operator.window.show_page("connect")
    assert operator.program.isVisible()
    operator.click(sheet.consent)
    qtbot.keyClick(sheet.start, Qt.Key.Key_Escape)
    assert not operator.window.questioned
    assert operator.shown.armed_left_ms == 0
    assert operator.shown.status.pulses == 0
