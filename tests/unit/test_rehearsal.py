"""Prescriptions on samples that were sensed before; surveys and sweeps told from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.device import LIMITS

from stimloop import Record, demo, prescription, run_session
from stimloop.errors import PrescriptionError
from stimloop.rehearsal import (
    Decisions,
    blocks_of,
    recorded,
    rehearse,
    rehearse_record,
)
from stimloop.survey import survey
from stimloop.sweeps import plateaus, suppression_percent, titration
from stimloop_dsp import MISSING, Quality

if TYPE_CHECKING:
    import numpy.typing as npt

FS_HZ = 250


def noise_uv(seconds: int, channels: int = 1, seed: int = 1) -> npt.NDArray[np.float64]:
    """Brown-ish noise, µV, shape (n, channels)."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(seconds * FS_HZ, channels))
    slow = np.zeros_like(white)
    for k in range(1, len(white)):
        slow[k] = 0.95 * slow[k - 1] + white[k]
    return slow


def beta_uv(seconds: int, amplitude_uv: float, hz: float = 20.0) -> npt.NDArray[np.float64]:
    """A rhythm that comes and goes every four seconds, µV."""
    t_s = np.arange(seconds * FS_HZ) / FS_HZ
    return amplitude_uv * np.sin(2 * np.pi * hz * t_s) * (np.sin(2 * np.pi * t_s / 4) > 0)


def nv(uv: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.round(1000 * uv).astype(np.int32)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    asked = prescription.loads(demo.prescription_text("adaptive", 1.0))
    directory = tmp_path_factory.mktemp("session") / "record"
    return Record.open(run_session(asked, "sim://dbs?seed=3", seconds=8, directory=directory))


def test_a_rehearsal_of_a_records_own_prescription_decides_as_it_did(record: Record) -> None:
    told, again = recorded(record), rehearse_record(record)
    assert np.array_equal(told.level, again.level)
    assert np.array_equal(told.active, again.active)
    assert np.array_equal(told.t_us, again.t_us)
    assert np.array_equal(told.admitted_ua, again.admitted_ua)
    assert told.on_fraction > 0


def test_another_prescription_decides_otherwise_on_the_same_samples(record: Record) -> None:
    other = prescription.loads(demo.prescription_text("adaptive", 30.0))
    told = rehearse_record(record, other)
    assert np.array_equal(told.level, recorded(record).level)
    assert told.mean_ma == 0
    assert told.on_fraction == 0


def test_what_the_device_does_not_allow_is_not_rehearsed(record: Record) -> None:
    text = demo.prescription_text("continuous").replace("= 3.0", "= 26.0", 1)
    with pytest.raises(PrescriptionError, match="amplitude_ma"):
        rehearse_record(record, prescription.loads(text))


def test_captured_samples_are_rehearsed_with_the_threshold_they_give() -> None:
    text = demo.prescription_text("adaptive").replace(
        "[controller]", "[capture]\nseconds = 4\npercentile = 60\n[controller]"
    )
    samples = nv(noise_uv(12)[:, 0] + beta_uv(12, 10.0))
    told = rehearse(blocks_of(samples, 5, FS_HZ), prescription.loads(text), LIMITS)
    settled = told.quality == Quality.OK
    assert len(told.thresholds_uv) == 1
    first = told.level[settled][: 4 * FS_HZ // 5]
    assert told.thresholds_uv[0] == pytest.approx(np.percentile(first, 60), abs=1e-3)
    assert told.mean_ma > 0
    assert told.switches_per_min > 0


def test_decisions_of_nothing_have_no_numbers() -> None:
    told = Decisions.of([])
    assert np.isnan([told.mean_ma, told.on_fraction, told.switches_per_min]).all()


def test_blocks_are_cut_whole_and_in_order() -> None:
    cut = list(blocks_of(np.arange(13, dtype=np.int32), 5, FS_HZ))
    assert [(b.first_index, b.count, b.t_us) for b in cut] == [(0, 5, 16_000), (5, 5, 36_000)]
    assert np.array_equal(np.frombuffer(cut[1].samples_nv, "<i4"), np.arange(5, 10))


def test_a_survey_finds_the_pair_that_lies_around_the_source() -> None:
    uv = noise_uv(60, 1) + 0.3 * noise_uv(60, 3, seed=2)  # far activity is in all channels
    uv[:, 1] += beta_uv(60, 2.0)
    told = survey(nv(uv), FS_HZ)
    assert {d.name for d in told} == {"0", "1", "2", "0-1", "0-2", "1-2"}
    assert {told[0].name, told[1].name} == {"0-1", "1-2"}
    peak = told[0].spectrum.peak
    assert peak is not None
    assert peak.frequency_hz == pytest.approx(20, abs=1)
    assert told[0].band_hz == pytest.approx((17, 23), abs=1)
    assert next(d for d in told if d.name == "0-2").band_hz is None


def test_missing_samples_are_left_out_of_a_survey() -> None:
    samples = nv(noise_uv(20, 2))
    samples[100:200, 0] = MISSING
    assert all(np.isfinite(d.spectrum.power_db).all() for d in survey(samples, FS_HZ))


def decisions(amplitudes_ua: list[int], level: float = 10.0) -> Decisions:
    """Three seconds of each amplitude, 50 ticks a second, whose level falls with it."""
    admitted = np.repeat(amplitudes_ua, 150)
    ticks = np.arange(admitted.size)
    return Decisions(
        ticks * 20_000,
        level * (1 - admitted / 4000),
        np.zeros(ticks.size, np.bool_),
        np.zeros(ticks.size, np.int64),
        admitted,
        np.full(ticks.size, 7690),
    )


def test_a_plateau_is_an_amplitude_that_was_kept() -> None:
    told = plateaus(decisions([0, 1000, 2000]))
    assert [(p.amplitude_ua, p.level) for p in told] == [(0, 10.0), (1000, 7.5), (2000, 5.0)]
    assert suppression_percent(told) == pytest.approx([0, 25, 50])


def test_ramps_and_readings_that_nobody_trusts_are_no_plateaus() -> None:
    sweep = decisions([0, 1000])
    assert not plateaus(sweep, least_s=5.0)
    blind = replace(sweep, quality=np.full(sweep.t_us.size, Quality.GAP))
    assert all(np.isnan(plateau.level) for plateau in plateaus(blind))
    assert np.isnan(suppression_percent(plateaus(blind))).all()


def test_a_setpoint_comes_from_a_sweep_and_what_the_patient_said() -> None:
    amplitudes_ua = list(range(0, 4000, 500))
    sweep = decisions(amplitudes_ua)
    grows = replace(sweep, level=np.maximum(0.0, sweep.admitted_ua - 1500) * 0.02 + 2.0)
    told = titration(plateaus(grows), perception_ua=1800, comfort_ua=2500, discomfort_ua=3500)
    assert told.setpoint_uv == pytest.approx(22, abs=1)
    assert told.threshold_ua == pytest.approx(1500, abs=40)
