"""Current that a voltage drives through electrodes, against the closed form."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.generator import Train
from stimloop_hw.pulsepal import PulsePal
from stimloop_sim.electrode import Cell
from stimloop_sim.voltage import VoltagePath

OHM, FARAD = 1_000.0, 2e-6
CELL = Cell(OHM / 2, 2 * FARAD, 1e12, 0.0)  # two of them: 1 kΩ, 2 µF


def path() -> VoltagePath:
    return VoltagePath(CELL, CELL)


def test_a_step_charges_the_double_layer_with_the_time_constant_of_the_network() -> None:
    one = path()
    one.set_voltage(1_000, 2_000)
    one.set_voltage(3_000, 0)
    expected_pc = 2.0 * FARAD * (1 - math.exp(-2e-3 / (OHM * FARAD))) * 1e12
    assert one.recent[0].first_pc == pytest.approx(expected_pc)
    assert one.recent[0].width_us == 2_000
    one.advance_to(1_000_000)
    assert one.net_pc == pytest.approx(0.0, abs=0.1)


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=20))
def test_however_time_is_cut_the_charge_is_the_same(cuts: list[int]) -> None:
    whole, cut = path(), path()
    for one in (whole, cut):
        one.set_voltage(0, -1_500)
    for t_us in sorted(cuts):
        cut.advance_to(t_us)
    for one in (whole, cut):
        one.advance_to(6_000)
    assert cut.net_pc == pytest.approx(whole.net_pc, rel=1e-9)


def test_a_phase_of_the_other_sign_belongs_to_the_pulse_before_it() -> None:
    one = path()
    for t_us in (0, 7_700):
        for after_us, mv in ((0, -1_000), (100, 0), (150, 1_000), (250, 0)):
            one.set_voltage(t_us + after_us, mv)
    one.advance_to(15_400)
    assert one.pulses == len(one.recent) == 2
    for pulse in one.recent:
        assert pulse.voltage_mv == -1_000
        assert pulse.amplitude_ua == pytest.approx(1_000, rel=0.06)
        assert pulse.first_pc < 0 < pulse.second_pc
        assert pulse.first_pc + pulse.second_pc == pytest.approx(0, abs=500)


def test_in_a_bath_a_train_is_felt_by_the_patient_and_recorded_pulse_by_pulse() -> None:
    with PulsePal.open("pulsepal+sim://pulsepal?seed=3") as generator:
        device = generator._port.bench.instrument  # type: ignore[attr-defined]
        generator.play(Train(-2_000, width_us=100, period_us=7_700, pulses=60))
        generator.listen(400_000)
        feeling = device.deliver(device.now_us, 4_000, 1)
        generator.listen(200_000)
        silent = device.deliver(device.now_us, 4_000, 1)
    assert device.paths[0].pulses == 60
    assert feeling.busy.all()
    assert feeling.amplitude_ua[0] == pytest.approx(2_000, rel=0.05)
    assert (feeling.width_us, feeling.period_us) == (100, 7_700)
    assert not silent.amplitude_ua.any()
    assert not silent.busy.any()
    assert device.paths[0].net_pc / device.paths[0].delivered_pc < 1e-3
