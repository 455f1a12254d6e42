"""Alarms and the safety bar: what the device says, in words, and STOP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from stimloop.app.alarms import FAULTS, LEADS, STATES, SUPPLIES, alarms
from stimloop.app.banner import Banner
from stimloop.app.notice import Notice
from stimloop.app.safety import WORDS, SafetyBar
from stimloop.station import Phase, Snapshot
from stimloop_hw.vocabulary import Fault, Lead, State, Supply

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

RUNNING = replace(
    Snapshot().status,
    state=State.STIMULATING,
    setpoint_ua=2_000,
    amplitude_ua=2_000,
    delivered_ua=1_900,
    period_us=7_690,
    lease_left_ms=1_950,
)


def test_every_fault_lead_and_stage_of_the_battery_has_its_cause_and_remedy() -> None:
    assert set(FAULTS) == set(Fault)
    assert set(LEADS) == set(Lead)
    assert set(SUPPLIES) == set(Supply) - {Supply.NORMAL}
    assert {State.HOLD, State.FALLBACK, State.FAULT} <= set(STATES)
    assert set(WORDS) == set(State)


def test_the_gravest_alarm_comes_first() -> None:
    found = list(alarms(State.FAULT, Fault.OUTPUT_STUCK, Lead.OPEN, Supply.ERI, lost=False))
    assert [alarm.grave for alarm in found] == [True, False, False]
    assert found[0] is FAULTS[Fault.OUTPUT_STUCK]


def test_nothing_wrong_is_no_alarm() -> None:
    assert not list(alarms(State.STIMULATING, 0, 0, Supply.NORMAL, lost=False))


def test_the_bar_says_what_the_device_delivers_and_not_what_was_asked(qtbot: QtBot) -> None:
    bar = SafetyBar()
    qtbot.addWidget(bar)
    bar.show_snapshot(Snapshot(phase=Phase.THERAPY, status=RUNNING))
    assert "Stimulating" in bar.state_text
    assert bar.amplitude_text == "1.900 mA"


def test_a_lost_device_is_not_shown_as_off(qtbot: QtBot) -> None:
    bar = SafetyBar()
    qtbot.addWidget(bar)
    bar.show_snapshot(Snapshot(phase=Phase.LOST, status=RUNNING))
    assert "Not known" in bar.state_text
    assert bar.amplitude_text == "– mA"
    assert "does not answer" in bar.alarm_text


@pytest.mark.parametrize("state", State)
def test_stop_can_be_pressed_in_every_state(state: State, qtbot: QtBot) -> None:
    bar = SafetyBar()
    qtbot.addWidget(bar)
    bar.show()
    bar.show_snapshot(Snapshot(phase=Phase.WATCHING, status=replace(RUNNING, state=state)))
    assert bar.stop.isEnabled()
    assert bar.stop.isVisible()


def test_the_banner_cannot_be_hidden(qtbot: QtBot) -> None:
    banner = Banner()
    qtbot.addWidget(banner)
    banner.show_device(simulated=True, recording=False)
    banner.show()
    banner.hide()
    banner.setVisible(False)
    assert banner.isVisible()
    assert banner.text.startswith("SIMULATED DEVICE")
    banner.show_device(simulated=False, recording=False)
    assert banner.text == "RESEARCH AND BENCH USE ONLY, NOT FOR CLINICAL USE"


def test_an_alarm_is_read_before_what_came_later(qtbot: QtBot) -> None:
    notice = Notice()
    qtbot.addWidget(notice)
    notice.show_sentence("done", "good")
    notice.show_sentence("refused", "alarm")
    notice.show_sentence("by the way", "warning")
    assert notice.text == "refused"
    notice.dismiss()
    assert notice.text == "by the way"
    notice.dismiss()
    assert notice.text == ""
    assert not notice.isVisible()
