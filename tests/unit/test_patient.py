from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt, welch

from stimloop_sim._patient import recruitment
from stimloop_sim.day import Day
from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import RATES_HZ, DbsPatient, PatientModel
from stimloop_sim.patients import PATIENTS, patient_model

WIDTH_US = 60
PERIOD_US = 7692  # 130 Hz
SILENT = PatientModel(pink_sd=0.0, floor_uv_rt_hz=0.0)
# Without drift, or the oscillation would grow to its usual size from any drive.
NO_BETA = PatientModel(drive=1e-9, drift_sd_per_s=0.0)


def steady(patient: DbsPatient, seconds: float, amplitude_ua: int = 0) -> NDArray[np.float64]:
    pulses = np.full(round(seconds * patient.fs_hz), amplitude_ua, np.int32)
    return patient.sense(pulses, WIDTH_US, PERIOD_US)[:, 0]


def beta_amplitude(potential_uv: NDArray[np.float64], fs_hz: int) -> NDArray[np.float64]:
    """Tinkhauser 2017: peak +/-3 Hz, rectified, smoothed over 200 ms."""
    sections = butter(2, [17.0, 23.0], "bandpass", fs=fs_hz, output="sos")
    return uniform_filter1d(np.abs(sosfiltfilt(sections, potential_uv)), fs_hz // 5)


def burst_spans(
    amplitude: NDArray[np.float64], threshold: float, fs_hz: int
) -> list[tuple[int, int]]:
    edges = np.diff(np.concatenate(([False], amplitude > threshold, [False])).astype(np.int8))
    spans = zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True)
    return [(int(a), int(b)) for a, b in spans if b - a >= fs_hz // 10]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1400), max_size=6))
def test_any_split_into_blocks_gives_the_same_samples_and_the_same_truth(
    cuts: list[int],
) -> None:
    pulses = np.repeat(np.array([0, 231, 3000, 1731, 0, 3000, 462], np.int32), 200)
    whole = DbsPatient(seed=4)
    expected = whole.sense(pulses, WIDTH_US, PERIOD_US)
    split = DbsPatient(seed=4)
    sensed = []
    truth = []
    for block in np.split(pulses, sorted(cuts)):
        sensed.append(split.sense(block, WIDTH_US, PERIOD_US))
        truth.append(split.envelope_uv)
    assert np.array_equal(np.concatenate(sensed), expected)
    assert np.array_equal(np.concatenate(truth), whole.envelope_uv)


def test_a_block_is_one_column_and_an_empty_one_is_empty() -> None:
    patient = DbsPatient()
    assert patient.sense(np.zeros(5, np.int32), WIDTH_US, PERIOD_US).shape == (5, 1)
    assert patient.sense(np.zeros(0, np.int32), WIDTH_US, PERIOD_US).shape == (0, 1)
    assert patient.envelope_uv.shape == (0,)
    assert len(patient.channels) == 1
    assert patient.remaining is None


def test_a_seed_fixes_the_patient_and_another_seed_makes_another() -> None:
    first = steady(DbsPatient(seed=1), 2)
    assert np.array_equal(steady(DbsPatient(seed=1), 2), first)
    assert not np.array_equal(steady(DbsPatient(seed=2), 2), first)


def test_pulses_that_entrain_nobody_change_nothing() -> None:
    untreated = steady(DbsPatient(seed=3), 10)
    too_slow = DbsPatient(seed=3).sense(np.full(2500, 3000, np.int32), WIDTH_US, 16667)
    too_weak = DbsPatient(seed=3).sense(np.full(2500, 500, np.int32), WIDTH_US, PERIOD_US)
    no_train = DbsPatient(seed=3).sense(np.full(2500, 3000, np.int32), WIDTH_US, 0)
    for sensed in (too_slow, too_weak, no_train):
        assert np.array_equal(sensed[:, 0], untreated)


def test_treated_and_untreated_arms_live_through_the_same_noise() -> None:
    """With suppression switched off in the model, full stimulation leaves every sample."""
    deaf = PatientModel(suppression_per_s=0.0)
    assert np.array_equal(
        steady(DbsPatient(deaf, seed=3), 10, 3000), steady(DbsPatient(seed=3), 10)
    )


@pytest.mark.parametrize(
    ("amplitude_ua", "width_us", "period_us", "share"),
    [
        (2000, 60, 7692, 0.43),  # a point of the published table
        (2125, 60, 7692, 0.51),  # half way between two
        (3000, 60, 7692, 1.00),
        (25000, 60, 7692, 1.00),
        (1000, 240, 7692, 0.43),  # four times as wide is twice as strong
        (3000, 60, 10526, 0.50),  # 95 Hz
        (3000, 60, 16667, 0.00),  # 60 Hz
        (3000, 60, 4000, 1.00),  # 250 Hz
        (3000, 60, 0, 0.00),
        (3000, 0, 7692, 0.00),
        (0, 60, 7692, 0.00),
    ],
)
def test_recruitment_follows_the_dose_response(
    amplitude_ua: int, width_us: int, period_us: int, share: float
) -> None:
    assert recruitment(amplitude_ua, width_us, period_us) == pytest.approx(share, abs=2e-4)


@pytest.mark.parametrize("fs_hz", RATES_HZ)
def test_bursts_last_as_long_and_come_as_often_as_in_patients_at_every_rate(
    fs_hz: int,
) -> None:
    """Tinkhauser 2017, off and on medication, with the threshold common to both states."""
    seeds, seconds = 8, 600
    targets = {
        "default": ((0.28, 0.69, 0.84, 0.97), 0.70),
        "on_medication": ((0.39, 0.84, 0.93, 1.00), 0.58),
    }
    durations: dict[str, list[int]] = {name: [] for name in targets}
    for seed in range(seeds):
        traces = {
            name: beta_amplitude(
                steady(DbsPatient(PATIENTS[name], seed=seed, fs_hz=fs_hz), seconds), fs_hz
            )
            for name in targets
        }
        threshold = float(np.mean([np.quantile(trace, 0.75) for trace in traces.values()]))
        for name, trace in traces.items():
            durations[name] += [b - a for a, b in burst_spans(trace, threshold, fs_hz)]
    for name, (shares, per_s) in targets.items():
        lengths_s = np.array(durations[name]) / fs_hz
        found = [float(np.mean(lengths_s <= limit)) for limit in (0.2, 0.4, 0.6, 1.0)]
        assert found == pytest.approx(shares, abs=0.05)
        assert len(lengths_s) / (seeds * seconds) == pytest.approx(per_s, abs=0.08)


@pytest.mark.parametrize("fs_hz", RATES_HZ)
def test_a_damped_oscillation_has_its_stationary_variance_at_every_rate(fs_hz: int) -> None:
    """sigma^2 / (2 |lambda|), where an Euler step at 250 Hz would be 8 % above."""
    damped = replace(SILENT, growth_per_s=-40.0, drift_sd_per_s=0.0, saturation_per_s=1e-9)
    patient = DbsPatient(damped, seed=1, fs_hz=fs_hz)
    steady(patient, 1200)
    expected_uv2 = 20.0**2 * 0.636**2 / (2 * 40.0)
    assert float(np.mean(patient.envelope_uv**2)) == pytest.approx(expected_uv2, rel=0.02)


def test_long_bursts_are_the_large_ones() -> None:
    trace = beta_amplitude(steady(DbsPatient(seed=0), 600), 250)
    spans = burst_spans(trace, float(np.quantile(trace, 0.75)), 250)
    lengths = [b - a for a, b in spans]
    peaks = [float(trace[a:b].max()) for a, b in spans]
    assert np.corrcoef(lengths, peaks)[0, 1] > 0.3


@pytest.mark.parametrize(("name", "left"), [("default", 0.42), ("full_suppression", 0.28)])
def test_continuous_stimulation_leaves_the_share_of_beta_that_the_patient_is_named_for(
    name: str, left: float
) -> None:
    shares = [
        beta_amplitude(steady(DbsPatient(PATIENTS[name], seed=seed), 300, 3000), 250).mean()
        / beta_amplitude(steady(DbsPatient(PATIENTS[name], seed=seed), 300), 250).mean()
        for seed in range(20)
    ]
    assert float(np.median(shares)) == pytest.approx(left, abs=0.08)


def test_beta_falls_faster_after_onset_than_it_returns_after_the_end() -> None:
    """Recruitment rises within 0.10 s and falls within 0.30 s; 2 s on, 2 s off, 25 min."""
    model = replace(SILENT, drift_sd_per_s=0.0)
    patient = DbsPatient(model, seed=8)
    cycle = np.repeat(np.array([3000, 0], np.int32), 500)
    patient.sense(np.tile(cycle, 375), WIDTH_US, PERIOD_US)
    mean = patient.envelope_uv.reshape(375, 1000).mean(axis=0)
    strong, weak = mean[350:500].mean(), mean[850:1000].mean()
    middle = (strong + weak) / 2
    fall_s = np.flatnonzero(mean[:500] < middle)[0] / 250
    return_s = np.flatnonzero(mean[500:] > middle)[0] / 250
    assert strong < 0.8 * weak
    assert 0.02 < fall_s < 0.2
    assert return_s > 1.5 * fall_s


def test_the_truth_is_the_hull_of_the_oscillation_without_noise() -> None:
    patient = DbsPatient(SILENT, seed=5, fs_hz=1000)
    potential = steady(patient, 20)
    hull = patient.envelope_uv
    assert np.all(np.abs(potential) <= hull * (1 + 1e-12))
    assert np.mean(np.abs(potential) > 0.99 * hull) > 0.05


def test_the_oscillation_has_its_peak_where_the_patient_has_it() -> None:
    patient = DbsPatient(replace(SILENT, peak_hz=23.0), seed=5)
    frequency, power = welch(steady(patient, 300), 250, nperseg=500)
    assert frequency[np.argmax(power)] == pytest.approx(23.0, abs=0.5)


def test_the_carrier_keeps_its_amplitude_for_hours() -> None:
    """|potential| still touches the hull, and never leaves it, after millions of samples."""
    patient = DbsPatient(SILENT, seed=5)
    steady(patient, 4 * 3600)
    potential = steady(patient, 4 * 3600)
    hull = patient.envelope_uv
    assert float(np.max(np.abs(potential) / hull)) == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize("fs_hz", RATES_HZ)
def test_background_noise_falls_as_one_over_frequency_at_the_same_level_at_every_rate(
    fs_hz: int,
) -> None:
    background = replace(NO_BETA, floor_uv_rt_hz=0.0)
    potential = steady(DbsPatient(background, seed=2, fs_hz=fs_hz), 900)
    frequency, density = welch(potential, fs_hz, nperseg=8 * fs_hz)
    band = (frequency >= 1.0) & (frequency <= 32.0)
    slope, level = np.polyfit(np.log10(frequency[band]), np.log10(density[band]), 1)
    assert slope == pytest.approx(-1.0, abs=0.1)
    # Three decades share the variance.
    expected = (20.0 * 0.098) ** 2 / np.log(1000)
    assert 10**level == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("fs_hz", RATES_HZ)
def test_the_noise_floor_has_the_same_density_at_every_rate(fs_hz: int) -> None:
    white = replace(NO_BETA, pink_sd=0.0, floor_uv_rt_hz=0.5)
    potential = steady(DbsPatient(white, seed=2, fs_hz=fs_hz), 300)
    _, density = welch(potential, fs_hz, nperseg=fs_hz)
    assert float(np.mean(density)) == pytest.approx(0.25, rel=0.05)


def test_a_misspelt_patient_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        PatientError, match=r"'on_medicaton' of deep brain stimulation; choose on_medication"
    ):
        patient_model("on_medicaton")


def test_an_unlike_name_is_refused_with_all_names() -> None:
    with pytest.raises(PatientError, match="bilateral or bilateral_day or day or default or"):
        patient_model("xyz")


def test_every_named_patient_is_found_by_its_name() -> None:
    assert {name: patient_model(name) for name in PATIENTS} == dict(PATIENTS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("growth_per_s", 0.0),
        ("drift_s", 0.0),
        ("drive", float("nan")),
        ("suppression_per_s", -1.0),
        ("pink_sd", float("inf")),
        ("peak_hz", 12.0),
    ],
)
def test_parameters_outside_their_range_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(PatientError, match=field):
        replace(PatientModel(), **{field: value})  # type: ignore[arg-type]


def test_another_sampling_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="not sampled at 200 Hz; choose 250, 500 or 1000"):
        DbsPatient(fs_hz=200)


@pytest.mark.parametrize(
    "pulses",
    [
        np.zeros(5, np.int64),
        np.zeros(5, np.uint32),
        np.zeros((5, 1), np.int32),
        np.zeros(10, np.int32)[::2],
    ],
)
def test_amplitudes_of_another_type_or_shape_are_refused(pulses: NDArray[np.int32]) -> None:
    with pytest.raises(ValueError, match="contiguous vector of int32"):
        DbsPatient().sense(pulses, WIDTH_US, PERIOD_US)


@pytest.mark.parametrize(
    ("amplitude_ua", "width_us", "period_us"), [(-1, 60, 7692), (0, -1, 7692), (0, 60, -1)]
)
def test_negative_quantities_are_refused_and_leave_the_patient_as_it_was(
    amplitude_ua: int, width_us: int, period_us: int
) -> None:
    patient = DbsPatient(seed=6)
    with pytest.raises(ValueError, match="must not be negative"):
        patient.sense(np.full(5, amplitude_ua, np.int32), width_us, period_us)
    assert np.array_equal(steady(patient, 1), steady(DbsPatient(seed=6), 1))


def test_tremor_follows_beta_with_a_lag_of_several_seconds() -> None:
    """Full suppression at once; the tremor needs its time constant to be on its way."""
    patient = DbsPatient(replace(SILENT, suppression_per_s=100.0, drift_sd_per_s=0.0), seed=1)
    steady(patient, 60)
    before = patient.symptoms.tremor
    course = []
    for _ in range(60):
        steady(patient, 1, 3000)
        course.append(patient.symptoms.tremor)
    way = (before - np.array(course)) / (before - course[-1])
    assert way[1] < 0.4
    assert 5 <= np.flatnonzero(way > 1 - np.exp(-1))[0] <= 10
    assert course[-1] < 0.5 * before


def test_dyskinesia_needs_levodopa_and_more_than_is_comfortable() -> None:
    found = {}
    for tone, day in ((0.0, Day()), (0.9, Day(start_h=9.0, doses_h=(8.0,)))):
        for amplitude_ua in (3000, 5000):
            patient = DbsPatient(PatientModel(day=day), seed=1)
            steady(patient, 10, amplitude_ua)
            found[tone, amplitude_ua] = patient.symptoms
    assert found[0.0, 5000].dyskinesia == found[0.0, 5000].dyskinetic_s == 0.0
    assert found[0.9, 3000].dyskinesia < 0.02
    assert found[0.9, 5000].dyskinesia > 0.7
    assert found[0.9, 5000].dyskinetic_s == pytest.approx(
        10 * found[0.9, 5000].dyskinesia, rel=0.02
    )


@pytest.mark.parametrize(
    ("ramp_s", "amplitude_ua", "felt_s"),
    [(0.25, 3000, 1.0), (10.0, 3000, 0.0), (0.25, 800, 0.0), (60.0, 5000, 13.0)],
)
def test_paraesthesia_is_felt_on_a_fast_rise_and_above_its_threshold(
    ramp_s: float, amplitude_ua: int, felt_s: float
) -> None:
    patient = DbsPatient(seed=1)
    ramp = np.linspace(0, amplitude_ua, round(250 * ramp_s)).astype(np.int32)
    hold = np.full(round(250 * (67 - ramp_s)), amplitude_ua, np.int32)
    patient.sense(np.concatenate([ramp, hold]), WIDTH_US, PERIOD_US)
    assert patient.symptoms.tingling_s == pytest.approx(felt_s, abs=0.3)


def test_too_much_stimulation_brings_beta_back_in_the_overdriven_patient() -> None:
    left = {}
    for amplitude_ua in (0, 3000, 5500):
        patient = DbsPatient(PATIENTS["overdriven"], seed=2)
        steady(patient, 120, amplitude_ua)
        left[amplitude_ua] = patient.envelope_uv.mean()
    assert left[3000] < 0.7 * left[0]
    assert left[5500] > 0.9 * left[0]


def test_a_second_band_has_its_frequency_and_its_potential_and_changes_no_beta() -> None:
    silent = replace(NO_BETA, pink_sd=0.0, floor_uv_rt_hz=0.0, band_uv=5.0, band_hz=70.0)
    potential = steady(DbsPatient(silent, seed=3), 300)
    frequency, power = welch(potential, 250, nperseg=500)
    assert frequency[np.argmax(power)] == pytest.approx(70.0, abs=1.0)
    assert float(np.std(potential)) == pytest.approx(5.0, rel=0.05)
    banded, plain = DbsPatient(replace(SILENT, band_uv=5.0), seed=3), DbsPatient(SILENT, seed=3)
    added = steady(banded, 10) - steady(plain, 10)
    assert np.array_equal(banded.envelope_uv, plain.envelope_uv)
    assert float(np.std(added)) == pytest.approx(5.0, rel=0.3)
