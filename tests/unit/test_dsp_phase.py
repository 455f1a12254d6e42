import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import DETECTORS, PhaseTargeted, Quality, Reading, Setting
from stimloop_dsp.controllers.phase import SLACK_CYCLES

TICK_US = 20_000
PEAK_HZ = 20.0


def controller(**changed: Any) -> PhaseTargeted:  # noqa: ANN401
    return PhaseTargeted(
        tick_us=TICK_US,
        amplitude_max_ua=2000,
        period_us=7690,
        threshold_uv=1.0,
        peak_hz=PEAK_HZ,
        **changed,
    )


def phase_at(t_us: float, hz: float = PEAK_HZ) -> float:
    return math.remainder(2 * math.pi * hz * t_us / 1e6, 2 * math.pi)


def triggers(
    made: PhaseTargeted, seconds: float = 2.0, level: float = 5.0, quality: Quality = Quality.OK
) -> list[Setting]:
    told = []
    for k in range(round(seconds * 1e6 / TICK_US)):
        t_us = 1_000_000 + k * TICK_US
        reading = Reading(k, t_us, level, True, 0, phase_at(t_us), quality)
        setting = made.update(reading)
        if setting.count:
            wait_us = setting.at_us - t_us - 1000 * made.lead_ms
            assert -1 <= wait_us <= TICK_US + SLACK_CYCLES * 1e6 / PEAK_HZ + 1
            told.append(setting)
        else:
            assert setting == Setting(2000, 7690)
    return told


@given(target_rad=st.floats(-math.pi, math.pi), lead_ms=st.floats(0, 100))
def test_a_steady_oscillation_is_hit_at_the_target_once_in_each_cycle(
    target_rad: float, lead_ms: float
) -> None:
    told = triggers(controller(target_rad=target_rad, lead_ms=lead_ms))
    assert len(told) in (39, 40, 41)
    for setting in told:
        error = math.remainder(phase_at(setting.at_us) - target_rad, 2 * math.pi)
        assert abs(error) < 1e-4
    gaps = np.diff([setting.at_us for setting in told])
    assert gaps.min() >= 0.75 * 50_000


@given(
    phases=st.lists(st.floats(-math.pi, math.pi), max_size=200),
    refractory=st.floats(0.5, 3.0),
)
def test_whatever_the_phase_does_no_trigger_comes_within_the_refractory_time(
    phases: list[float], refractory: float
) -> None:
    made = controller(refractory_cycles=refractory)
    last_us = -(10**9)
    for k, phase in enumerate(phases):
        setting = made.update(Reading(k, k * TICK_US, 5.0, True, 0, phase))
        if setting.count:
            assert setting.at_us - last_us >= refractory * 50_000 - 1
            last_us = setting.at_us


def test_a_weak_oscillation_or_one_that_cannot_be_trusted_triggers_nothing() -> None:
    assert triggers(controller(), level=1.0) == []
    assert triggers(controller(), quality=Quality.ARTEFACT) == []
    reading = Reading(0, 0, 5.0, True, 0, math.nan)
    assert controller().update(reading) == Setting(2000, 7690)


def test_a_burst_of_pulses_is_one_trigger() -> None:
    assert {setting.count for setting in triggers(controller(pulses=4))} == {4}


@pytest.mark.parametrize("kind", ["resonator", "endpoint_hilbert"])
def test_a_tone_is_hit_at_its_trough_through_either_detector(kind: str) -> None:
    detector = DETECTORS[kind](
        fs_hz=250, saturation_uv=4999.0, threshold_uv=1.0, peak_hz=PEAK_HZ
    )
    made = controller(target_rad=math.pi)
    t_s = np.arange(2500) / 250
    tone_nv = np.round(5000 * np.cos(2 * np.pi * PEAK_HZ * t_s)).astype(np.int32)[:, None]
    errors = []
    for first in range(0, 2500, 5):
        t_us = 4000 * (first + 4)
        setting = made.update(detector.push(tone_nv[first : first + 5], first, t_us))
        if setting.count and first > 1250:
            errors.append(math.remainder(phase_at(setting.at_us) - math.pi, 2 * math.pi))
    assert len(errors) in range(95, 102)
    assert np.abs(errors).max() < 0.2
