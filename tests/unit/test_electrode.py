"""Electrodes in tissue against what can be worked out by hand, and bookkeeping for the rest."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from stimloop_hw.program import CASE
from stimloop_sim._electrode import Interface, Path
from stimloop_sim.electrode import Cell, Output, resting_modes, tissue_shares
from stimloop_sim.profile import Profile
from stimloop_sim.tissue import Condition, Tissue, TissueModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

DBS = Profile.named("dbs").output
MODEL = TissueModel.named("default")
NO_LEAK = replace(MODEL, leak_ohm_cm2=10**15, exchange_pa_cm2=0)
LINEAR = replace(MODEL, exchange_pa_cm2=0)
GAP_US = 30
STEP_UA = 100
V0 = 0.060


def laid(
    model: TissueModel = MODEL,
    output: Output = DBS,
    cathodes: int = 0b01,
    anodes: int = 0b10,
) -> tuple[Tissue, Path]:
    """A lead with a path between two equal contacts, unless others are asked for."""
    tissue = Tissue(model, output)
    path = tissue.path()
    tissue.connect(path, cathodes, anodes)
    return tissue, path


def train(
    path: Path, pulses: int, ua: int, *, width_us: int = 60, period_us: int, ratio: int = 0
) -> int:
    """Deliver a steady train; the device time at which the next pulse would begin."""
    for k in range(pulses):
        assert path.pulse(k * period_us, ua, STEP_UA, width_us, GAP_US, ratio) == ua
    return pulses * period_us


# The analytic offset under passive recharge ---------------------------------------------


def offset_v(cell: Cell, amps: float, *, width_s: float, period_s: float) -> float:
    """Voltage that is left on a double layer before each pulse of a steady train, V.

    The anode of two equal contacts that are joined by resistors between the pulses and have no
    coupling capacitors: by symmetry each is an RC of its own. A fixed point of three
    exponentials.
    """
    tau_s = cell.leak_ohm * cell.capacitance_f
    gap_s = GAP_US * 1e-6
    series_ohm = cell.series_ohm + DBS.discharge_ohm
    rest_tau_s = cell.capacitance_f / (1.0 / cell.leak_ohm + 1.0 / series_ohm)
    pulse = math.exp(-width_s / tau_s)
    rest = math.exp(-gap_s / tau_s - (period_s - width_s - gap_s) / rest_tau_s)
    return rest * amps * cell.leak_ohm * (1.0 - pulse) / (1.0 - rest * pulse)


@pytest.mark.parametrize("period_us", [7690, 4000, 2000])
@pytest.mark.parametrize("width_us", [60, 200])
def test_the_offset_that_passive_recharge_leaves_is_the_analytic_one_within_a_percent(
    period_us: int, width_us: int
) -> None:
    tissue, path = laid(LINEAR, replace(DBS, coupling_nf=0))
    end_us = train(path, 3000, 1000, width_us=width_us, period_us=period_us)
    expected_v = offset_v(
        tissue.cells[0], 1e-3, width_s=width_us * 1e-6, period_s=period_us * 1e-6
    )
    (cathode_v, _), (anode_v, _) = tissue.interface.settled(end_us)[:2]
    assert anode_v == pytest.approx(expected_v, rel=1e-2)
    assert anode_v == pytest.approx(expected_v, rel=1e-6)
    assert cathode_v == pytest.approx(-expected_v, rel=1e-6)


@pytest.mark.parametrize("period_us", [7690, 4000])
def test_with_ideal_capacitors_the_offset_is_that_of_the_textbook_rc(period_us: int) -> None:
    tissue, path = laid(NO_LEAK)
    end_us = train(path, 1000, 1000, period_us=period_us)
    cell = tissue.cells[0]
    coupling_f = DBS.coupling_nf * 1e-9
    series_f = 1.0 / (1.0 / cell.capacitance_f + 1.0 / coupling_f)
    tau_s = (cell.series_ohm + DBS.discharge_ohm) * series_f
    left = math.exp(-(period_us - 90) * 1e-6 / tau_s)
    coulombs = 60e-9 * left / (1.0 - left)
    (_, _), (anode_v, coupling_v) = tissue.interface.settled(end_us)[:2]
    assert anode_v == pytest.approx(coulombs / cell.capacitance_f, rel=1e-6)
    assert coupling_v == pytest.approx(coulombs / coupling_f, rel=1e-6)


def test_behind_a_coupling_capacitor_the_layer_passes_no_direct_current_in_the_end() -> None:
    mean_v = {}
    for coupling_nf in (0, DBS.coupling_nf):
        tissue, path = laid(LINEAR, replace(DBS, coupling_nf=coupling_nf))
        begin_us = train(path, 8000, 3000, period_us=4000)
        path.pulse(begin_us, 3000, STEP_UA, 60, GAP_US, 0)
        times_us = np.arange(90, 4001, 10)
        volts = [tissue.interface.settled(begin_us + int(t))[1][0] for t in times_us]
        # During pulse and gap the anode's layer goes from where it was to where it is.
        mean_v[coupling_nf] = (
            np.trapezoid([volts[-1], volts[0], *volts], [0, 60, *times_us]) / 4000.0
        )
    assert abs(mean_v[DBS.coupling_nf]) < 0.02 * abs(mean_v[0])


def test_active_recharge_leaves_a_small_part_of_what_passive_recharge_leaves() -> None:
    left_v = []
    for ratio in (1, 0):
        tissue, path = laid(LINEAR)
        end_us = train(path, 2000, 3000, period_us=7690, ratio=ratio)
        left_v.append(abs(tissue.interface.settled(end_us)[1][0]))
    assert left_v[0] < 0.001 < left_v[1]
    assert left_v[0] < 0.05 * left_v[1]


# The nonlinear branch ----------------------------------------------------------------------


@pytest.mark.parametrize("amps", [0.002, 0.010, 0.020])
def test_the_nonlinear_branch_follows_its_equation(amps: float) -> None:
    tissue, path = laid(MODEL, replace(DBS, compliance_mv=100_000, coupling_nf=0))
    cell = tissue.cells[0]

    def flow(_t_s: float, volts: NDArray[np.float64], source_a: float) -> list[float]:
        lost_a = volts[0] / cell.leak_ohm + cell.exchange_a * math.sinh(volts[0] / V0)
        return [(source_a - lost_a) / cell.capacitance_f]

    path.pulse(0, round(amps * 1e6), STEP_UA, 450, GAP_US, 0)
    end_v = np.zeros(1)
    for source_a, seconds in ((amps, 450e-6), (0.0, 30e-6)):
        end_v = solve_ivp(
            flow, (0.0, seconds), end_v, "Radau", args=(source_a,), rtol=1e-9, atol=1e-12
        ).y[:, -1]
    assert tissue.interface.settled(480)[1][0] == pytest.approx(end_v[0], rel=0.01)


def test_where_it_starts_to_count_the_branch_sets_in_without_a_step() -> None:
    ends_v = []
    for ua in range(1000, 2000, 10):
        tissue, path = laid(MODEL, replace(DBS, coupling_nf=0))
        path.pulse(0, ua, 10, 450, GAP_US, 0)
        ends_v.append(tissue.interface.settled(480)[1][0])
    steps_v = np.diff(ends_v)
    assert ends_v[0] < 0.18
    assert ends_v[-1] > 0.2
    assert steps_v.max() - steps_v.min() < 0.01 * steps_v.max()


# Compliance --------------------------------------------------------------------------------


@pytest.mark.parametrize(("width_us", "series_ohm"), [(60, 900), (450, 900), (60, 4000)])
def test_a_pulse_that_the_supply_cannot_drive_is_reduced_to_the_step_that_it_can(
    width_us: int, series_ohm: int
) -> None:
    tissue, path = laid(replace(MODEL, series_ohm=series_ohm))
    farads = 1.0 / (1.0 / tissue.cells[0].capacitance_f + 1e9 / DBS.coupling_nf)
    ohm = 2.0 * series_ohm + 2.0 * width_us * 1e-6 / farads
    most_ua = 1e6 * (DBS.compliance_mv - DBS.headroom_mv) * 1e-3 / ohm
    expected_ua = int(most_ua // STEP_UA) * STEP_UA
    assert path.pulse(0, expected_ua, STEP_UA, width_us, GAP_US, 1) == expected_ua
    path = laid(replace(MODEL, series_ohm=series_ohm))[1]
    assert path.pulse(0, expected_ua + STEP_UA, STEP_UA, width_us, GAP_US, 1) == expected_ua
    assert (path.asked_ua, path.delivered_ua) == (expected_ua + STEP_UA, expected_ua)
    assert path.load_ohm == 2 * series_ohm


def test_a_broken_wire_lets_nothing_through_and_a_bridge_past_the_tissue_almost_nothing() -> (
    None
):
    tissue, path = laid(cathodes=0b0010, anodes=CASE)
    assert path.pulse(0, 1000, STEP_UA, 60, GAP_US, 1) == 1000
    assert path.load_ohm == pytest.approx(1000)
    tissue.apply(10_000, Condition.OPEN, 1)
    assert path.pulse(10_000, 1000, STEP_UA, 60, GAP_US, 1) == 0
    assert path.load_ohm == math.inf
    tissue.repair(20_000)
    tissue.apply(20_000, Condition.SHORT, tissue.case, 1)
    assert path.pulse(20_000, 1000, STEP_UA, 60, GAP_US, 1) == 1000
    assert path.load_ohm == pytest.approx(1 / (1 / 20 + 1 / 1000))
    tissue.repair(30_000)
    tissue.apply(30_000, Condition.REFERENCE_LOST)
    assert path.pulse(30_000, 1000, STEP_UA, 60, GAP_US, 1) == 0


@given(
    st.lists(st.floats(50.0, 5000.0), min_size=4, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=4, unique=True),
)
def test_whatever_touches_the_current_in_is_the_current_out_and_touching_wires_agree(
    series_ohm: list[float], touching: list[tuple[int, int]]
) -> None:
    shorts = [(a, b) for a, b in touching if a < b]
    shares = tissue_shares({0: -1.0, 1: 0.25, 2: 0.75}, series_ohm, shorts)
    assert sum(shares.values()) == pytest.approx(0.0, abs=1e-9)
    for a, b in shorts:
        drop = shares.get(a, 0.0) * series_ohm[a] - shares.get(b, 0.0) * series_ohm[b]
        assert abs(drop) <= 2 * 20.0 * len(shorts) + 1e-9
    if not shorts:
        assert shares == {0: -1.0, 1: 0.25, 2: 0.75}


# Bookkeeping -------------------------------------------------------------------------------

PULSES = st.lists(
    st.tuples(
        st.integers(0, 255).map(lambda k: k * STEP_UA),
        st.sampled_from([20, 60, 450]),
        st.integers(0, 8),
        st.integers(4_000, 3_000_000),
    ),
    min_size=1,
    max_size=12,
)
CONDITIONS = st.lists(
    st.one_of(
        st.tuples(st.just(Condition.OPEN), st.integers(0, 4)),
        st.tuples(st.just(Condition.SHORT), st.integers(0, 1), st.integers(2, 4)),
        st.tuples(st.just(Condition.REFERENCE_LOST)),
    ),
    max_size=3,
)
PATHS = st.sampled_from([(0b0001, 0b0010), (0b0010, CASE), (0b0101, 0b1010), (0b0110, CASE)])


def energy_j(tissue: Tissue, t_us: int) -> float:
    """Energy in all double layers and coupling capacitors."""
    state = tissue.interface.settled(t_us)
    coupling_f = tissue.output.coupling_nf * 1e-9
    return 0.5 * sum(
        cell.capacitance_f * layer_v**2 + coupling_f * coupling_v**2
        for cell, (layer_v, coupling_v) in zip(tissue.cells, state, strict=True)
    )


@settings(deadline=None)
@given(PULSES, PATHS, CONDITIONS, st.sampled_from([MODEL, LINEAR, NO_LEAK]))
def test_no_program_and_no_condition_makes_charge_energy_or_nonsense(
    pulses: list[tuple[int, int, int, int]],
    contacts: tuple[int, int],
    conditions: list[tuple[Condition, ...]],
    model: TissueModel,
) -> None:
    tissue, path = laid(model, replace(DBS, compliance_mv=40_000), *contacts)
    twin, again = laid(model, replace(DBS, compliance_mv=40_000), *contacts)
    t_us = 0
    for turn, (ua, width_us, ratio, rest_us) in enumerate(pulses):
        if turn < len(conditions):
            kind, *where = conditions[turn]
            tissue.apply(t_us, kind, *where)
            twin.apply(t_us, kind, *where)
        delivered_ua = path.pulse(t_us, ua, STEP_UA, width_us, GAP_US, ratio)
        assert delivered_ua == again.pulse(t_us, ua, STEP_UA, width_us, GAP_US, ratio)
        assert 0 <= delivered_ua <= ua
        assert delivered_ua % STEP_UA == 0
        after_us = t_us + width_us * (1 + ratio) + GAP_US
        t_us = after_us + rest_us
        times_us = [after_us, after_us + rest_us // 2, t_us]
        for looked_us in times_us:  # looking divides the time, and so the rounding
            twin.interface.settled(looked_us)
        energies_j = [energy_j(tissue, t) for t in times_us]
        assert all(later <= now * (1 + 1e-9) for now, later in pairwise(energies_j))
        state = np.array(tissue.interface.settled(t_us))
        assert np.isfinite(state).all()
        # What flows in at one contact flows out at the others, and only currents charge these.
        assert abs(state[:, 1].sum()) < 1e-9 * (1.0 + np.abs(state[:, 1]).max())
        if model is NO_LEAK:
            farads = np.array([cell.capacitance_f for cell in tissue.cells])
            coulombs = state[:, 1] * DBS.coupling_nf * 1e-9
            assert np.allclose(farads * state[:, 0], coulombs, rtol=1e-4, atol=1e-12)
    assert tissue.interface.settled(t_us) == twin.interface.settled(t_us)


def test_paths_that_take_turns_discharge_together_and_what_is_left_out_leaks() -> None:
    tissue, first = laid(LINEAR)
    second = tissue.path()
    tissue.connect(second, 0b0100, CASE)
    first.pulse(0, 3000, STEP_UA, 60, GAP_US, 0)
    (cathode_v, _), _, (other_v, _), *_ = tissue.interface.settled(90)
    assert cathode_v < -0.05
    assert other_v == 0
    second.pulse(100, 3000, STEP_UA, 60, GAP_US, 0)
    # The recharge of the first goes on behind the pulse of the second.
    assert abs(tissue.interface.settled(20_000)[0][0]) < 0.05 * abs(cathode_v)

    tissue, path = laid(LINEAR)
    path.pulse(0, 3000, STEP_UA, 60, GAP_US, 0)
    (left_v, _), *_ = tissue.interface.settled(90)
    tissue.connect(path, 0b0100, CASE)
    path.pulse(90, 1000, STEP_UA, 60, GAP_US, 1)
    cell = tissue.cells[0]
    expected_v = left_v * math.exp(-1.0 / (cell.leak_ohm * cell.capacitance_f))
    assert tissue.interface.settled(1_000_090)[0][0] == pytest.approx(expected_v, rel=1e-9)


def test_the_modes_of_a_resting_network_do_what_its_equations_say() -> None:
    cells = [
        Cell(900.0, 3.3e-6, 5e5, 0.0),
        Cell(600.0, 1e-6, 1e6, 0.0),
        Cell(90.0, 1e-3, 1e3, 0.0),
    ]
    modes = resting_modes(cells, 500.0, 4.7e-6)
    start = np.array([0.1, -0.2, 0.0, 0.05, 0.0, -0.05])

    def flow(_t_s: float, state: NDArray[np.float64]) -> list[float]:
        volts = [state[k] + state[3 + k] for k in range(3)]
        siemens = [1.0 / (cell.series_ohm + 500.0) for cell in cells]
        node = sum(g * v for g, v in zip(siemens, volts, strict=True)) / sum(siemens)
        amps = [g * (node - v) for g, v in zip(siemens, volts, strict=True)]
        layers = [
            (i - state[k] / cell.leak_ohm) / cell.capacitance_f
            for k, (i, cell) in enumerate(zip(amps, cells, strict=True))
        ]
        return layers + [i / 4.7e-6 for i in amps]

    end = solve_ivp(flow, (0.0, 0.004), start, "Radau", rtol=1e-10, atol=1e-13).y[:, -1]
    mode = modes.to_modes @ start * np.exp(modes.rate_hz * 0.004)
    assert np.allclose(modes.from_modes @ mode, end, atol=1e-9)


# What cannot be ----------------------------------------------------------------------------


def test_an_impossible_interface_is_refused() -> None:
    for contacts, farads in ((1, 0.0), (18, 0.0), (4, -1e-6)):
        with pytest.raises(ValueError, match="2 to 17"):
            Interface(contacts, farads)
    interface = Interface(2, 0.0)
    with pytest.raises(IndexError, match="no contact 2"):
        interface.form(2, 1.0, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="positive"):
        interface.form(1, 1.0, math.inf, 1.0, 0.0)


def test_a_path_whose_parts_do_not_fit_is_refused() -> None:
    path = Path(Interface(3, 0.0), 10.0)
    square = [[1.0] * 4 for _ in range(4)]
    for members, share in (([0, 3], [-1.0, 1.0]), ([0, 0], [-1.0, 1.0]), ([0, 1], [1.0])):
        with pytest.raises(ValueError, match="do not fit"):
            path.connect(members, [-1.0, 1.0], share, [-1.0] * 4, square, square, blocked=False)
    assert path.pulse(0, 1000, STEP_UA, 60, GAP_US, 1) == 0
