"""Sense & adapt: from samples to a band, thresholds and a controller, rehearsed first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from tests.app.stand_in import StandIn, heard, text_at
from tests.device import LIMITS
from tests.unit.fake_session import IDENTITY

from stimloop import demo
from stimloop.app.sense import Sense
from stimloop.app.theme import DARK, LIGHT
from stimloop.station.requests import Description, Done, Phase, Refused
from stimloop.station.requests import Sense as SenseRequest
from stimloop_dsp import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt
    from pytestqt.qtbot import QtBot

FS_HZ = 250
FOUR = replace(LIMITS, sense_channels=4)


def montage(seconds: int = 12) -> npt.NDArray[np.int32]:
    """Two channels, nV; a rhythm of 20 Hz that comes and goes is in channel 1."""
    rng = np.random.default_rng(1)
    t_s = np.arange(seconds * FS_HZ) / FS_HZ
    far = np.cumsum(rng.normal(0, 1, (t_s.size, 1)), axis=0)
    far -= np.convolve(far[:, 0], np.ones(250) / 250, "same")[:, None]
    uv = far + rng.normal(0, 1, (t_s.size, 2))
    uv[:, 1] += 6 * np.sin(2 * np.pi * 20 * t_s) * (np.sin(2 * np.pi * t_s / 3) > 0)
    return (1000 * uv).astype(np.int32)


@pytest.fixture
def rings(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "rings")


@pytest.fixture
def page(rings: StandIn, qtbot: QtBot) -> Sense:
    made = Sense(rings, DARK)  # type: ignore[arg-type]  # as much of a station as it asks
    qtbot.addWidget(made)
    made.resize(1090, 600)
    made.show()
    text = demo.prescription_text("continuous")
    made.describe(Description("sim://dbs", [IDENTITY], [FOUR], [], text, "", ""))
    return made


@pytest.fixture
def looked_at(page: Sense, until: Callable[[Callable[[], object]], None]) -> Sense:
    """The page with a montage that was sensed and surveyed."""
    page.take_captured(montage(), FS_HZ, [0, 1])
    until(lambda: page.histogram.thresholds)
    return page


def test_only_channels_of_the_device_can_be_chosen(page: Sense) -> None:
    assert [box.isVisible() for box in page._boxes] == [True] * 4 + [False] * 4


def test_what_is_sensed_is_gathered_until_it_is_enough_and_the_stream_is_ended(
    page: Sense, rings: StandIn, qtbot: QtBot
) -> None:
    page._boxes[2].setChecked(True)
    page.seconds.setValue(5)
    qtbot.mouseClick(page.go, Qt.MouseButton.LeftButton)
    assert rings.asked == [SenseRequest([0, 2])]
    rings.replies[-1](Done())
    snapshot = rings.snapshot(phase=Phase.SENSING, channels=1)
    for _ in range(3):
        rings.stream(2)
        page.refresh(snapshot)
    assert rings.asked[-1] == SenseRequest([])
    assert len(page.captured) == 6 * FS_HZ
    assert page.go.isEnabled()


def test_a_gap_in_what_is_sensed_stays_a_gap(page: Sense, rings: StandIn) -> None:
    page.seconds.setValue(5)
    page.sense()
    rings.replies[-1](Done())
    snapshot = rings.snapshot(phase=Phase.SENSING)
    rings.stream(2)
    page.refresh(snapshot)
    rings._index += 100  # lost on the way
    rings.stream(4)
    page.refresh(snapshot)
    assert np.count_nonzero(page.captured == MISSING) == 100


def test_a_refusal_to_sense_leaves_what_was_sensed_before(page: Sense, rings: StandIn) -> None:
    page.sense()
    rings.replies[-1](Refused("a session runs; end it first"))
    page.refresh(rings.snapshot(phase=Phase.THERAPY))
    assert page.go.isEnabled()
    assert page.captured.shape == (0, 1)


def test_the_clearest_pair_comes_first_and_its_band_is_chosen(looked_at: Sense) -> None:
    survey = looked_at.survey
    assert survey.table.rowCount() == 3
    assert survey.chosen is not None
    assert "1" in survey.chosen.name.split("-")
    assert survey.band_hz == pytest.approx((17, 23), abs=1)
    assert looked_at._detector["band_hz"] == list(survey.band_hz)


def test_a_band_that_is_dragged_snaps_to_half_hertz_and_is_taken(looked_at: Sense) -> None:
    looked_at.survey._region.setRegion((16.13, 24.36))
    looked_at.survey._region.sigRegionChangeFinished.emit(looked_at.survey._region)
    assert looked_at._detector["band_hz"] == [16.0, 24.5]


def test_a_pair_without_a_peak_says_so_and_keeps_the_band(looked_at: Sense) -> None:
    band_hz = looked_at.survey.band_hz
    looked_at.survey.table.setCurrentCell(2, 0)
    assert "no clear peak" in looked_at.survey._told.text()
    assert looked_at.survey.band_hz == band_hz


def test_thresholds_begin_at_a_percentile_and_a_hand_moves_them(looked_at: Sense) -> None:
    histogram = looked_at.histogram
    (threshold,) = histogram.thresholds
    assert threshold == pytest.approx(histogram.percentile(75))
    (line,) = histogram._lines
    line.setValue(2.5)
    line.sigPositionChangeFinished.emit(line)
    assert looked_at._detector["threshold_uv"] == 2.5
    assert "above 2.50 µV" in histogram._told.text()


def test_a_threshold_that_is_typed_is_taken_whichever_way_it_moves(looked_at: Sense) -> None:
    for typed in (0.5, 4.0):
        looked_at.rehearsal.detector._typed("threshold_uv", typed)
        assert looked_at._detector["threshold_uv"] == typed
        assert looked_at.histogram.thresholds == (typed,)


def test_a_controller_of_two_thresholds_gets_two(looked_at: Sense) -> None:
    choice = looked_at.rehearsal.controller.choice
    choice.setCurrentText("dual_threshold")
    choice.activated.emit(choice.currentIndex())
    upper, lower = looked_at.histogram.thresholds
    assert lower <= upper
    assert looked_at._detector["lower_uv"] == pytest.approx(lower, abs=1e-3)


def test_a_choice_is_rehearsed_on_what_was_sensed_and_nothing_is_sent(
    looked_at: Sense, rings: StandIn, until: Callable[[Callable[[], object]], None]
) -> None:
    choice = looked_at.rehearsal.controller.choice
    choice.setCurrentText("on_off")
    choice.activated.emit(choice.currentIndex())
    looked_at.rehearsal.go.click()
    until(lambda: "mA in the mean" in looked_at.rehearsal._numbers.text())
    _, drawn_ma = looked_at.rehearsal._plot._steps.getData()
    assert 0 < drawn_ma.max() <= 3.0
    assert rings.asked == []


def test_what_does_not_fit_is_said_in_the_sentence_of_the_prescription(
    looked_at: Sense, until: Callable[[Callable[[], object]], None]
) -> None:
    looked_at.rehearsal.detector.values["order"] = 99
    looked_at.rehearsal.go.click()
    until(lambda: "order" in looked_at.rehearsal._told.text())


def test_only_the_deciding_tables_are_proposed_never_the_pulses(looked_at: Sense) -> None:
    proposed = heard(looked_at.proposed)
    looked_at._propose()
    tables: dict[str, Any] = proposed[0][0]
    assert set(tables) == {"detector", "controller", "capture"}
    assert tables["detector"]["band_hz"] == list(looked_at.survey.band_hz)


def test_a_sweep_is_proposed_like_any_controller(page: Sense) -> None:
    page.sweep.form.changed.emit("step_ma", 0.3)
    proposed = heard(page.proposed)
    page.sweep.proposed.emit({"kind": "sweep", **page.sweep.values})
    assert proposed == [({"controller": {"kind": "sweep", "step_ma": 0.3}},)]


def swept(rings: StandIn, page: Sense) -> None:
    """Six amplitudes of four seconds whose level grows from 1 mA on."""
    from stimloop.station.ring import STEPS  # noqa: PLC0415

    rows = np.zeros(1200, STEPS)
    rows["t_us"] = 20_000 * np.arange(1, 1201)
    rows["admitted_ua"] = 500 * (np.arange(1200) // 200)
    rows["level"] = 2 + np.maximum(0, rows["admitted_ua"] - 1000) / 50
    rings._rings["steps"].append(rows)
    page._tabs[2].click()
    page.refresh(rings.snapshot())


def test_the_level_at_each_amplitude_of_a_sweep_is_listed_as_it_comes(
    page: Sense, rings: StandIn
) -> None:
    swept(rings, page)
    table = page.sweep.table
    column = [text_at(table, row, 0) for row in range(table.rowCount())]
    assert column == ["0.00", "0.50", "1.00", "1.50", "2.00", "2.50"]


def test_what_the_patient_says_of_a_sweep_gives_a_setpoint(page: Sense, rings: StandIn) -> None:
    swept(rings, page)
    for word, now_ua in (("perception", 1200), ("comfort", 2000)):
        page.sweep._now_ua = now_ua
        page.sweep.say(word)
    page.sweep._now_ua = 2500
    found = heard(page.sweep.setpoint_found)
    page.sweep.say("discomfort")
    assert found[0][0] == pytest.approx(22, abs=1)


def test_another_theme_keeps_what_was_chosen(
    looked_at: Sense, until: Callable[[Callable[[], object]], None]
) -> None:
    chosen = dict(looked_at._detector)
    looked_at.wear(LIGHT)
    until(lambda: looked_at.survey.table.rowCount() == 3)
    assert looked_at._detector["threshold_uv"] == chosen["threshold_uv"]
    assert looked_at._detector["band_hz"] == chosen["band_hz"]
    until(lambda: looked_at.histogram.thresholds)
    assert looked_at.histogram.thresholds == pytest.approx((chosen["threshold_uv"],))
