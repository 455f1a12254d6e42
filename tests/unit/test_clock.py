"""The device's clock: the bound holds, and what cannot be is forgotten."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.clock import DRIFT_PPM, WINDOW, DeviceClock

START_US = 7_000_000_000


def device_us(host_us: float, drift_ppm: float, offset_us: float) -> float:
    return offset_us + host_us + (host_us - START_US) * drift_ppm * 1e-6


EXCHANGES = st.lists(
    st.tuples(st.integers(1000, 1_500_000), st.integers(0, 40_000), st.integers(0, 40_000)),
    min_size=1,
    max_size=100,
)


@given(EXCHANGES, st.floats(-99, 99), st.integers(0, 2**50))
def test_the_truth_is_never_further_away_than_the_bound(
    exchanges: list[tuple[int, int, int]], drift_ppm: float, offset_us: int
) -> None:
    """Whatever the delays, and whatever the drift that crystals can have."""
    clock, host_us = DeviceClock(), START_US
    for gap_us, there_us, back_us in exchanges:
        host_us += gap_us
        stamp_us = round(device_us(host_us + there_us, drift_ppm, offset_us))
        end_us = host_us + there_us + back_us
        told = clock.push(host_us * 1000, end_us * 1000, stamp_us, stamp_us)
        middle_us = (host_us + end_us) / 2
        truth_us = device_us(middle_us, drift_ppm, offset_us) - middle_us
        assert abs(told.offset_us - truth_us) <= told.bound_us + 2  # stamps are whole µs
        assert told.bound_us <= (there_us + back_us) + 2
        host_us = end_us
    assert told.jumps == 0 or drift_ppm > DRIFT_PPM - 2
    assert told.exchanges <= WINDOW


@pytest.mark.parametrize("drift_ppm", [-60, 0, 35])
def test_the_drift_is_found_within_a_minute(drift_ppm: int) -> None:
    clock = DeviceClock()
    for k in range(60):
        host_us = START_US + k * 1_000_000
        late_us = 300 + (k * 7919) % 997  # queues on the way back
        stamp_us = round(device_us(host_us + 300, drift_ppm, 123_456))
        clock.push(host_us * 1000, (host_us + 300 + late_us) * 1000, stamp_us, stamp_us)
    told = clock.estimate
    assert told.drift_ppm == pytest.approx(drift_ppm, abs=5)
    assert told.bound_us < 1000
    assert told.jumps == 0


def test_what_the_device_took_to_answer_is_no_delay_of_the_wire() -> None:
    told = DeviceClock().push(0, 5_000_000, 100_500, 104_500)
    assert (told.offset_us, told.bound_us) == (100_000.0, 500.0)


def test_a_clock_that_jumps_is_told_and_starts_anew() -> None:
    clock = DeviceClock()
    clock.push(0, 200_000, 100, 100)
    told = clock.push(1_000_000_000, 1_000_200_000, 9_000_100, 9_000_100)
    assert (told.jumps, told.exchanges) == (1, 1)
    assert told.offset_us == 8_000_000.0


def test_before_the_first_exchange_nothing_is_known() -> None:
    assert math.isinf(DeviceClock().estimate.bound_us)


def test_the_drift_is_never_more_than_crystals_have() -> None:
    clock = DeviceClock()
    for k in range(60):
        host_us = START_US + k * 1_000_000
        stamp_us = round(device_us(host_us + 50_000, 150, 0))
        told = clock.push(host_us * 1000, (host_us + 100_000) * 1000, stamp_us, stamp_us)
        assert abs(told.drift_ppm) <= DRIFT_PPM
