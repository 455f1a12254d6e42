"""The Monitor page and its scope, on rings that are written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt
from tests.app.stand_in import StandIn, heard

from stimloop.app.monitor import Monitor
from stimloop.app.theme import DARK, LIGHT, THEMES
from stimloop.station.requests import Mark
from stimloop_hw.ranges import EvokedChannel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMES = 16
"""Enough for what is not drawn with every frame."""


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.toml").read_text("utf-8")


@pytest.fixture
def rings(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "rings")


@pytest.fixture
def shown(rings: StandIn, qtbot: QtBot) -> Callable[..., Monitor]:
    def show(prescription: str = "dbs_rcs", **snapshot: object) -> Monitor:
        page = Monitor(rings, DARK)  # type: ignore[arg-type]  # as much of a station as it asks
        qtbot.addWidget(page)
        page.resize(1090, 600)
        page.show()
        page.take_prescription(example(prescription))
        page.refresh(rings.snapshot(**snapshot))  # type: ignore[arg-type]
        return page

    return show


def frames(page: Monitor, count: int = FRAMES) -> None:
    for _ in range(count):
        page.animate()


def test_eight_channels_have_a_lane_each_and_a_gain_each(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown(channels=8, rate_hz=1000)
    rings.stream(6, 8, 1000)
    frames(page)
    assert page.scope.lanes is not None
    assert page.scope.lanes.names == [f"ch {number}" for number in range(8)]
    fitted = page.scope.lanes.gains_uv
    assert fitted[0] == max(fitted)
    page.channel.setCurrentIndex(3)
    page.gain.setCurrentIndex(page.gain.findData(500))
    page.gain.activated.emit(page.gain.currentIndex())
    assert page.scope.lanes.gains_uv[3] == 500
    assert page.scope.lanes.gains_uv[0] == fitted[0]


def test_no_axis_puts_a_prefix_before_a_unit(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown()
    rings.stream(6)
    frames(page)
    for plot in page.scope.rows:
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            assert not axis.autoSIPrefix
            assert axis.labelUnitPrefix == ""


def test_the_spectrogram_stands_at_its_frequency_and_at_its_time(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown()
    rings.stream(12)
    frames(page)
    spectrogram = page.scope.spectrogram
    assert spectrogram is not None
    image = spectrogram._image
    row = int(np.nanmean(image.image, axis=0).argmax())
    rect = image.mapRectToParent(image.boundingRect())
    height = rect.height() / image.image.shape[1]
    middle_hz = rect.top() + (row + 0.5) * height
    assert middle_hz == pytest.approx(20, abs=0.01)
    # The newest window ends now, so the newest column stands half a window before.
    assert rect.right() == pytest.approx(-0.5 + 0.05, abs=0.1)


def test_one_cursor_stands_in_every_plot_and_tells_what_is_there(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown()
    rings.stream(12)
    frames(page)
    told: list[str] = []
    page.scope.cursor_moved.connect(told.append)
    page.scope.time_cursor.move(-4.0)
    lines = page.scope.time_cursor._lines
    assert len(lines) == len(page.scope.rows)
    assert {line.value() for line in lines} == {-4.0}
    assert "-4.00 s" in told[-1]
    assert "µV" in told[-1]
    assert "mA" in told[-1]
    assert "stimulating" in told[-1]


def test_the_state_is_told_in_words(shown: Callable[..., Monitor], rings: StandIn) -> None:
    page = shown()
    rings.stream(4)
    rings.stream(4, state=8)
    frames(page)
    runs = page.scope._strip.runs
    assert [state for *_, state in runs] == [4, 8]
    assert runs[0][1] == pytest.approx(-4, abs=0.1)


def test_a_freeze_stands_and_scrolls_a_minute_back(
    shown: Callable[..., Monitor], rings: StandIn, qtbot: QtBot
) -> None:
    page = shown()
    rings.stream(50)
    frames(page)
    qtbot.mouseClick(page.pause, Qt.MouseButton.LeftButton)
    frozen_us = page.memory.now_us
    rings.stream(5)
    frames(page)
    assert page.memory.now_us == frozen_us
    assert page.back.isVisible()
    page.back.setValue(page.back.maximum() - 300)
    assert page.memory.back_s == 30
    assert page.scope.state.viewRange()[0] == pytest.approx([-40, -30])
    qtbot.mouseClick(page.pause, Qt.MouseButton.LeftButton)
    page.animate()
    assert page.memory.now_us == frozen_us + 5_000_000
    assert page.scope.state.viewRange()[0] == pytest.approx([-10, 0])


def test_a_mark_stands_in_every_plot_with_its_number(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown()
    rings.stream(12)
    rings.mark(10_000_000, "tremor")
    frames(page)
    assert [len(lines) for lines in page.scope._marks] == [len(page.scope.rows)]
    assert page.scope._marks[0][0].value() == pytest.approx(-2.0, abs=0.05)
    assert "tremor" in page.marks._list.item(0).text()


def test_a_key_marks_this_moment_in_words_that_it_stands_for(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown()
    actions = {action.shortcut().toString(): action for _, action in page.commands()}
    actions["F6"].trigger()
    assert rings.asked[-1] == Mark("dyskinesia")


def test_words_that_are_typed_later_belong_to_the_moment_that_was_caught(
    shown: Callable[..., Monitor], rings: StandIn, qtbot: QtBot
) -> None:
    page = shown()
    rings.stream(4)
    frames(page)
    actions = {action.shortcut().toString(): action for _, action in page.commands()}
    actions["Ctrl+M"].trigger()
    rings.stream(3)
    frames(page)
    qtbot.keyClicks(page.marks.field, "left hand opens")
    qtbot.keyClick(page.marks.field, Qt.Key.Key_Return)
    assert rings.asked[-1] == Mark("left hand opens", 4_000_000)


def test_thresholds_of_the_prescription_are_drawn_and_a_hand_moves_them(
    shown: Callable[..., Monitor], rings: StandIn, qtbot: QtBot
) -> None:
    page = shown("dbs_embedded")
    rings.stream(6)
    frames(page)
    (line,) = page.scope.level._lines
    assert not page.propose.isVisible()
    line.setValue(4.5)
    line.sigPositionChangeFinished.emit(line)
    assert page.scope.level.thresholds == (4.5,)
    proposed = heard(page.proposed)
    qtbot.mouseClick(page.propose, Qt.MouseButton.LeftButton)
    ((tables,),) = proposed
    assert tables["detector"]["threshold_uv"] == 4.5
    assert tables["capture"] is None
    assert rings.asked == []  # nothing goes to the device from here


def test_thresholds_that_were_captured_take_their_place(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown("dbs_dual")
    assert not page.scope.level.thresholds
    rings.stream(4)
    rings.happen(4_000_000, "captured", "threshold", 0, 6_000)
    rings.happen(4_000_000, "captured", "lower threshold", 1, 4_000)
    frames(page)
    assert page.scope.level.thresholds == (6.0, 4.0)


def test_responses_that_pulses_evoke_are_shown_with_their_dose(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown("scs_ecap", channels=0, rate_hz=16_000)
    assert page.scope.lanes is None
    assert page.scope.spectrogram is None
    assert page.scope.dose is not None
    assert page._evoked_view is not None
    page._evoked_view.describe(EvokedChannel(16_000, 48, 300), 0.9)
    rings.stream(4)
    rings.sweep()
    frames(page)
    _, charge_nc = page.scope._charge.getData()
    assert charge_nc.max() == 2 * page.memory.shown.pulse_width_us
    assert len(page._evoked_view._sweeps) == 1


def test_a_heart_is_shown_by_its_rate_with_the_detections(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown("vns_autostim")
    rings.stream(20)
    frames(page)
    assert page.scope.level.unit == "bpm"
    assert page.scope.spectrogram is None
    x, _ = page.scope.level._begins.getData()
    assert len(x) >= 1


def test_stages_beyond_their_budget_are_said_to_be(
    shown: Callable[..., Monitor], rings: StandIn
) -> None:
    page = shown()
    rings.stream(6)
    page._tabs[1].click()
    frames(page)
    cells = page._latency._cells
    assert cells["detect", "p50"].text() == "10"
    assert cells["detect", "verdict"].text() == "within"
    rows = page.memory.steps.all.copy()
    rows["write_ns"] = 5_000_000
    page._latency.show_steps(rows)
    assert cells["write", "verdict"].text() == "over"
    assert cells["detect", "verdict"].text() == "within"


@pytest.mark.parametrize("name", THEMES)
def test_every_theme_keeps_what_is_known(
    shown: Callable[..., Monitor], rings: StandIn, name: str
) -> None:
    page = shown()
    rings.stream(12)
    rings.mark(10_000_000, "tremor")
    frames(page)
    page.wear(LIGHT if name == DARK.name else THEMES[name])
    frames(page)
    assert page.memory.now_us == 12_000_000
    assert len(page.scope._marks) == 1
