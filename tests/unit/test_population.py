"""The patients whose phase or nuclei matter, and two hemispheres."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import dbs_card
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stimloop_sim.bench import Bench
from stimloop_sim.day import Day
from stimloop_sim.hemispheres import HemispheresModel, HemispheresPatient
from stimloop_sim.mean_field import MeanFieldModel, MeanFieldPatient
from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import DbsPatient, PatientModel
from stimloop_sim.patients import OTHERS
from stimloop_sim.population import PopulationModel, PopulationPatient

SMALL = PopulationModel(count=100)


Model = HemispheresModel | PopulationModel | MeanFieldModel
Patient = HemispheresPatient | PopulationPatient | MeanFieldPatient | DbsPatient


def lived(patient: Patient, amplitude_ua: int, seconds: float) -> NDArray[np.float64]:
    pulses = np.full(round(seconds * patient.fs_hz), amplitude_ua, np.int32)
    return patient.sense(pulses, 60, 7692)


@pytest.mark.parametrize("name", OTHERS)
def test_each_is_a_source_that_a_url_names(name: str) -> None:
    Bench.of_url(f"sim://dbs?patient={name}&seed=2").advance_block()
    patient = OTHERS[name].patient(seed=2)
    assert lived(patient, 0, 0.1).shape == (25, len(patient.channels))
    assert patient.remaining is None


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(OTHERS)), st.lists(st.integers(0, 300), max_size=4))
def test_any_split_into_blocks_gives_the_same_samples_and_the_same_truth(
    name: str, cuts: list[int]
) -> None:
    pulses = np.repeat(np.array([0, 231, 3000, 1731, 0, 3000], np.int32), 50)
    whole, split = (OTHERS[name].patient(seed=4) for _ in range(2))
    expected = whole.sense(pulses, 60, 7692)
    sensed, truth = [], []
    for block in np.split(pulses, sorted(cuts)):
        sensed.append(split.sense(block, 60, 7692))
        truth.append(split.envelope_uv)
    assert np.array_equal(np.concatenate(sensed), expected)
    assert np.array_equal(np.concatenate(truth), whole.envelope_uv)


@pytest.mark.parametrize(
    "deaf",
    [
        replace(SMALL, kick_rad=0.0, scatter_rad=0.0),
        MeanFieldModel(block=0.0),
    ],
)
def test_arms_live_through_the_same_noise(deaf: PopulationModel | MeanFieldModel) -> None:
    treated, untreated = deaf.patient(seed=3), deaf.patient(seed=3)
    assert np.array_equal(lived(treated, 3000, 5), lived(untreated, 0, 5))


@pytest.mark.parametrize(("model", "peak_hz"), [(SMALL, 20.0), (MeanFieldModel(), 26.0)])
def test_the_truth_is_amplitude_and_phase_of_what_is_sensed(
    model: PopulationModel | MeanFieldModel, peak_hz: float
) -> None:
    patient = replace(model, pink_uv=0.0, floor_uv_rt_hz=0.0).patient(seed=5, fs_hz=1000)
    potential = lived(patient, 0, 20)[:, 0]
    expected = patient.envelope_uv * np.cos(patient.phase_rad)
    assert potential == pytest.approx(expected, abs=1e-9)
    turned = np.unwrap(patient.phase_rad)
    assert (turned[-1] - turned[0]) / (2 * np.pi * 20.0) == pytest.approx(peak_hz, abs=1.2)


@pytest.mark.parametrize(("model", "most"), [(PopulationModel(), 0.7), (MeanFieldModel(), 0.7)])
def test_continuous_stimulation_lowers_the_oscillation(
    model: PopulationModel | MeanFieldModel, most: float
) -> None:
    treated, untreated = model.patient(seed=1), model.patient(seed=1)
    lived(treated, 3000, 30)
    lived(untreated, 0, 30)
    assert treated.envelope_uv.mean() < most * untreated.envelope_uv.mean()


def test_a_pulse_gathers_at_one_phase_and_scatters_half_a_cycle_away() -> None:
    found = {}
    for aim in (0.0, np.pi):
        changes = []
        for seed in range(12):
            model = replace(SMALL, response_spread_rad=0.0, scatter_rad=0.0)
            patient = PopulationPatient(model, seed=seed, fs_hz=1000)
            off = np.zeros(1, np.int32)
            while (
                abs(np.angle(np.exp(1j * (patient.phase_rad - aim)))) > 0.1
                if (len(patient.phase_rad))
                else True
            ):
                patient.sense(off, 60, 7692)
            before = patient.envelope_uv[0]
            patient.sense(np.full(1, 3000, np.int32), 60, 40_000)
            changes.append(patient.envelope_uv[0] - before)
        found[aim] = np.mean(changes)
    assert found[0.0] > 0.05
    assert found[np.pi] < -0.05


def test_a_train_has_its_pulses_where_its_period_puts_them() -> None:
    """Kicks are the only thing that moves identical oscillators without noise."""
    model = replace(SMALL, spread_hz=0.0, noise_rt_s=0.0, coupling_per_s=0.0, scatter_rad=0.0)
    patient = PopulationPatient(model, seed=6, fs_hz=1000)
    pulses = np.zeros(200, np.int32)
    pulses[50:150] = 3000
    patient.sense(pulses, 60, 7692)
    moved = np.flatnonzero(np.abs(np.diff(patient.envelope_uv)) > 1e-9) + 1
    starts_us = 50_000 + 7692 * np.arange(14)
    assert moved.tolist() == [int(t // 1000) for t in starts_us]


@pytest.mark.parametrize(
    ("disease", "peak_hz", "span"),
    [(0.0, 0, 0.0), (0.2, 0, 0.0), (0.4, 26, 17), (0.5, 25, 25), (0.7, 23, 39), (1.0, 21, 64)],
)
def test_without_noise_the_nuclei_begin_to_oscillate_as_published(
    disease: float, peak_hz: float, span: float
) -> None:
    model = MeanFieldModel(disease=disease, noise=0.0)
    patient = MeanFieldPatient(model, fs_hz=1000)
    lived(patient, 0, 10)
    rate = patient.stn_per_s[-4000:]
    assert float(np.ptp(rate)) == pytest.approx(span, abs=1.0)
    assert (model.eigenvalue().real > 0) is (span > 0)
    if span:
        power = np.abs(np.fft.rfft((rate - rate.mean()) * np.hanning(4000)))
        assert np.argmax(power) / 4 == pytest.approx(peak_hz, abs=0.6)


def test_the_linearised_nuclei_grow_and_turn_as_the_eigenvalue_says() -> None:
    model = MeanFieldModel(disease=0.2, noise=0.0)
    patient = MeanFieldPatient(model, fs_hz=1000)
    # A small push, long ago enough that the other modes have gone.
    stn = []
    for amplitude_ua in (1000, 0):
        lived(patient, amplitude_ua, 1.2)
        stn.append(patient.stn_per_s)
    # Recruitment decays more slowly than the oscillation: only the frequency is compared.
    assert model.eigenvalue().imag / (2 * np.pi) == pytest.approx(27.5, abs=0.2)
    assert float(stn[1][-1]) == pytest.approx(model.rest()[0], abs=0.05)


def test_hemispheres_get_the_same_pulses_and_are_sensed_as_two_single_ones() -> None:
    model = HemispheresModel()
    both = HemispheresPatient(model, seed=8)
    sensed = lived(both, 2500, 10)
    left = DbsPatient(model.left, seed=8, side=0)
    right = DbsPatient(model.right, seed=8, side=1)
    assert np.array_equal(sensed[:, 0], lived(left, 2500, 10)[:, 0])
    assert np.array_equal(sensed[:, 1], lived(right, 2500, 10)[:, 0])
    assert np.array_equal(both.envelope_uv[:, 1], right.envelope_uv)


def test_hemispheres_of_two_days_are_refused() -> None:
    with pytest.raises(PatientError, match="give both the same day"):
        HemispheresModel(left=PatientModel(day=Day(start_h=3.0)))


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (SMALL, "count", 99),
        (SMALL, "coupling_per_s", -1.0),
        (MeanFieldModel(), "disease", 1.1),
        (MeanFieldModel(), "block", float("nan")),
    ],
)
def test_what_no_patient_is_like_is_refused(
    model: PopulationModel | MeanFieldModel, field: str, value: float
) -> None:
    with pytest.raises(PatientError, match=f"{field} is .* no patient is like that; choose"):
        replace(model, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [SMALL, MeanFieldModel(), HemispheresModel()])
def test_another_sampling_rate_is_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="not sampled at 200 Hz"):
        model.patient(fs_hz=200)


def test_the_model_card_is_made_of_the_declarations() -> None:
    assert dbs_card.PAGE.read_text("utf-8") == dbs_card.page()
