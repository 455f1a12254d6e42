"""Stimulation of the vagus nerve closes its loop over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.peer import power_on

import stimloop
from stimloop import figures
from stimloop.errors import PrescriptionError
from stimloop.prescription import loads
from stimloop_dsp import Quality
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.profile import Profile

if TYPE_CHECKING:
    from stimloop_hw.messages import Limits

EXAMPLE = Path(__file__).parents[2] / "examples" / "vns_autostim.toml"
URL = "sim://vns?patient=cluster&seed=7"


def limits_of(name: str) -> Limits:
    profile = Profile.named(name)
    return describe_limits(profile, power_on(profile).front_end)


def test_a_heart_that_rises_is_answered_by_a_train_and_the_session_replays(
    tmp_path: Path,
) -> None:
    prescription = stimloop.load_prescription(EXAMPLE)
    directory = stimloop.run_session(prescription, URL, seconds=410, directory=tmp_path / "a")
    record = stimloop.Record.open(directory)
    active = record.column("steps", "active").astype(bool)
    wanted_ua = record.column("steps", "wanted_ua")
    assert active.any()
    first = int(np.argmax(active))
    # It waits for the minimum rest after a train by the clock, then answers within its ramp.
    answer = first + int(np.argmax(wanted_ua[first:] > 1500))
    rested = np.flatnonzero(wanted_ua[:answer] == 0)[-1] - first
    assert rested <= 60 * 50
    assert wanted_ua[answer : answer + 50].max() == 1750
    assert stimloop.summarize(record).refused == 0
    assert stimloop.replay_record(record).identical
    assert figures.unit_of(record) == "bpm"
    assert stimloop.summarize(record).burst_rate_hz is None, "the heart's rate has no bursts"


def test_a_magnet_that_the_device_tells_of_reaches_the_controller_and_replays(
    tmp_path: Path,
) -> None:
    faults = tmp_path / "magnet.toml"
    faults.write_text(
        'schema = 1\n[[fault]]\nkind = "magnet"\nat_ms = 2000\nuntil_ms = 4000\n', "utf-8"
    )
    prescription = stimloop.load_prescription(EXAMPLE)
    directory = stimloop.run_session(
        prescription, f"{URL}&faults={faults}", seconds=8, directory=tmp_path / "a"
    )
    record = stimloop.Record.open(directory)
    held = record.column("steps", "quality") & Quality.MAGNET.value > 0
    assert 90 <= held.sum() <= 110  # of 20 ms each
    assert stimloop.replay_record(record).identical


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ("swipe_ms = 3000", "swipe_ms = 70000", "magnet.swipe_ms"),
        ("swipe_ms = 3000", "swipe_ms = 20000", "magnet.swipe_ms"),
        ("amplitude_ma = 2.0", "amplitude_ma = 2.1", "magnet.amplitude_ma"),
        ("pulse_width_us = 500", "pulse_width_us = 510", "magnet.pulse_width_us"),
        ("on_ms = 60000", "on_ms = 59000", "magnet.on_ms"),
        ("on_ms = 60000", "", "magnet.on_ms"),
        ("auto_ma = 1.75", "auto_ma = 2.0", "controller"),
        ("rest_s = 60.0", "rest_s = 400.0", "controller"),
        ("theta = 0.4", "theta = 0.8", "detector.theta"),
        ("theta = 0.4", "threshold_uv = 4.0", "detector.threshold_uv"),
    ],
)
def test_what_no_magnet_or_train_can_be_is_refused_by_the_name_of_its_key(
    was: str, becomes: str, field: str
) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert was in text
    limits = limits_of("vns")
    with pytest.raises(PrescriptionError) as refused:
        loads(text.replace(was, becomes, 1)).check(limits)
    assert refused.value.violations[0].field == field


def test_a_threshold_in_microvolts_is_refused_behind_a_heart_rate_with_what_has_one() -> None:
    text = EXAMPLE.read_text("utf-8").partition("[controller]")[0]
    with pytest.raises(PrescriptionError) as refused:
        loads(f'{text}[controller]\nkind = "proportional"\nkp_ma = 1.0\n')
    remedies = {v.field: v.remedy for v in refused.value.violations}
    assert "write beta or resonator" in remedies["detector.kind"]
    assert "tachycardia" not in remedies["detector.kind"]


def test_a_magnet_and_further_programs_are_refused_together() -> None:
    text = EXAMPLE.read_text("utf-8") + (
        "[[interleaved]]\namplitude_ma = 1.0\npulse_width_us = 250\n"
        'cathodes = ["0"]\nanodes = ["1"]\n'
    )
    with pytest.raises(PrescriptionError, match=r"further programs beside \[magnet\]"):
        loads(text)


def test_a_device_that_heeds_no_magnet_is_given_no_table_of_one() -> None:
    with pytest.raises(PrescriptionError, match=r"no \[magnet\]: this device heeds none"):
        loads(EXAMPLE.read_text("utf-8")).check(limits_of("dbs"))
