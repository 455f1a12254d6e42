"""The compiled loop is the plain one, bit for bit."""

import numpy as np
import pytest

from stimloop_dsp import BetaDetector
from stimloop_dsp.controllers import (
    Continuous,
    DualThreshold,
    OnOff,
    Proportional,
    ProportionalIntegral,
)
from stimloop_sim._converter import quantise
from stimloop_sim.closed_loop import LAWS, ClosedLoop, Compiled
from stimloop_sim.cohort import DAY
from stimloop_sim.patient import DbsPatient, PatientModel

MODEL = PatientModel(day=DAY)
RANGE = {
    "tick_us": 20_000,
    "amplitude_min_ua": 0,
    "amplitude_max_ua": 3000,
    "period_us": 7692,
}


def detector(fs_hz: int) -> BetaDetector:
    return BetaDetector(
        fs_hz,
        1.6,
        1.2,
        band_hz=(17.0, 23.0),
        order=2,
        smoothing="moving_average",
        smooth_ms=400.0,
        onset_ms=40.0,
    )


def controllers() -> list[Compiled]:
    return [
        Continuous(**RANGE),
        OnOff(**RANGE),
        DualThreshold(
            threshold_uv=1.6, lower_uv=1.0, ramp_up_ms=777.0, ramp_down_ms=1500.0, **RANGE
        ),
        Proportional(threshold_uv=1.0, kp_ua=5000.0, **RANGE),
        ProportionalIntegral(threshold_uv=1.0, kp_ua=230.0, ti_s=0.2, **RANGE),
    ]


@pytest.mark.parametrize("fs_hz", [250, 1000])
@pytest.mark.parametrize("law", range(len(LAWS)), ids=[kind.__name__ for kind in LAWS])
def test_the_compiled_loop_is_the_plain_one_bit_for_bit(law: int, fs_hz: int) -> None:
    """Two minutes here; an hour in benchmarks/dbs_speed.py."""
    assert differences(law, fs_hz, seconds=120) == 0


def differences(law: int, fs_hz: int, seconds: int) -> int:
    """Ticks whose amplitude or level differs between the loops."""
    samples = fs_hz // 50
    lived = ClosedLoop(MODEL, detector(fs_hz), controllers()[law], seed=3, fs_hz=fs_hz).run(
        50 * seconds
    )
    patient, heard, controller = (
        DbsPatient(MODEL, seed=3, fs_hz=fs_hz),
        detector(fs_hz),
        controllers()[law],
    )
    amplitude_ua = RANGE["amplitude_max_ua"] if law == 0 else 0
    different = 0
    for tick in range(50 * seconds):
        sensed = patient.sense(np.full(samples, amplitude_ua, np.int32), 60, 7692)
        envelope_uv = np.float32(np.sqrt(np.mean(patient.envelope_uv**2)))
        reading = heard.push(quantise(sensed, [0], 5e6)[0], tick * samples, 0)
        different += (
            lived.amplitude_ua[tick] != amplitude_ua
            or lived.level_uv[tick] != np.float32(reading.level)
            or abs(lived.envelope_uv[tick] - envelope_uv) > 1e-5
        )
        amplitude_ua = controller.update(reading).amplitude_ua
    return different


def test_chunks_change_nothing() -> None:
    whole = ClosedLoop(MODEL, detector(250), OnOff(**RANGE), fs_hz=250).run(3000)
    loop = ClosedLoop(MODEL, detector(250), OnOff(**RANGE), fs_hz=250)
    parts = [loop.run(ticks).amplitude_ua for ticks in (1, 999, 0, 2000)]
    assert np.array_equal(np.concatenate(parts), whole.amplitude_ua)
    assert 0.1 < whole.time_on < 0.9
    assert whole.teed(3000) < whole.time_on


def test_a_controller_that_is_not_compiled_is_refused() -> None:
    class Own(OnOff):
        pass

    with pytest.raises(
        ValueError, match="law of Own is not compiled; choose one of Continuous"
    ):
        ClosedLoop(MODEL, detector(250), Own(**RANGE), fs_hz=250)


def test_a_tick_of_broken_samples_is_refused() -> None:
    odd = OnOff(**{**RANGE, "tick_us": 10_000})
    with pytest.raises(ValueError, match=r"10000 µs is 2\.5 samples at 250 Hz"):
        ClosedLoop(MODEL, detector(250), odd, fs_hz=250)
