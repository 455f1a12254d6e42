"""The patient of vagus nerve stimulation: heart, seizures, nerve."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from benchmarks.validation.heart import score
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from stimloop_dsp import RPeaks
from stimloop_sim._vagus import Vagus
from stimloop_sim.activity import CHUNK_S, Activity, Course
from stimloop_sim.parameter import PatientError
from stimloop_sim.patients import patient_model
from stimloop_sim.seizures import Epilepsy, Plan, Seizures
from stimloop_sim.vns import FRONTAL, NERVES, RATES_HZ, STILL, Heart, Nerve, VnsPatient

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH_US = 250
PERIOD_US = 50_000  # 20 Hz
CLUSTER = NERVES["cluster"]
ONE = replace(CLUSTER, epilepsy=Epilepsy(per_day=500.0, first_s=60.0, rising=1.0, early=0.0))


def live(
    patient: VnsPatient, seconds: float, amplitude_ua: int = 0, period_us: int = PERIOD_US
) -> NDArray[np.float64]:
    pulses = np.full(round(seconds * patient.fs_hz), amplitude_ua, np.int32)
    return patient.sense(pulses, WIDTH_US, period_us)[:, 0]


def rates_bpm(
    patient: VnsPatient, seconds: float, amplitude_ua: int = 0
) -> NDArray[np.float64]:
    """Heart rate at the end of every second."""
    rates = []
    for _ in range(round(seconds)):
        live(patient, 1, amplitude_ua)
        rates.append(patient.truth.rate_bpm)
    return np.array(rates)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 25_000), max_size=6))
def test_any_split_into_blocks_gives_the_same_samples_and_the_same_truth(
    cuts: list[int],
) -> None:
    pulses = np.repeat(np.array([0, 1500, 0, 2250, 1500], np.int32), 5000)
    whole, split = VnsPatient(ONE, seed=4), VnsPatient(ONE, seed=4)
    expected = whole.sense(pulses, WIDTH_US, PERIOD_US)
    blocks, beats = [], []
    for block in np.split(pulses, sorted(cuts)):
        blocks.append(split.sense(block, WIDTH_US, PERIOD_US))
        beats.append(split.r_samples)
    assert np.array_equal(np.concatenate(blocks), expected)
    assert np.array_equal(np.concatenate(beats), whole.r_samples)
    assert split.truth == whole.truth
    assert split.seizures == whole.seizures


def test_a_seed_fixes_the_patient_and_another_seed_makes_another() -> None:
    first = live(VnsPatient(seed=1), 20)
    assert np.array_equal(live(VnsPatient(seed=1), 20), first)
    assert not np.array_equal(live(VnsPatient(seed=2), 20), first)


def test_a_block_is_one_column_and_an_empty_one_is_empty() -> None:
    patient = VnsPatient()
    assert patient.sense(np.zeros(0, np.int32), 0, 0).shape == (0, 1)
    assert patient.sense(np.zeros(5, np.int32), 0, 0).shape == (5, 1)
    assert patient.channels == ("ECG",)
    assert patient.remaining is None


@pytest.mark.parametrize("fs_hz", RATES_HZ)
def test_the_r_waves_told_are_those_in_the_samples_at_every_rate(fs_hz: int) -> None:
    patient = VnsPatient(seed=3, fs_hz=fs_hz)
    samples_uv = live(patient, 300)
    found = RPeaks(fs_hz).push(np.round(1000 * samples_uv).astype(np.int32)[:, None], 0)
    result = score(found, patient.r_samples, fs_hz)
    assert result.missed <= 2  # at the edges
    assert result.extra == 0
    assert result.median_ms <= 5


def test_the_rate_of_the_beats_is_the_rate_told() -> None:
    patient = VnsPatient(NERVES["resting"], seed=1)
    told, beats = [], 0
    for _ in range(600):
        live(patient, 1)
        told.append(patient.truth.rate_bpm)
        beats += len(patient.r_samples)
    assert beats == pytest.approx(600 * np.mean(told) / 60, abs=3)
    assert np.mean(told) == pytest.approx(74.9, abs=2)


def test_a_resting_heart_varies_with_breath_and_as_much_as_people_do() -> None:
    patient = VnsPatient(NERVES["resting"], seed=2)
    live(patient, 1800)
    rr_s = np.diff(patient.r_samples) / patient.fs_hz
    rmssd_ms = 1000 * np.sqrt(np.mean(np.diff(rr_s) ** 2))
    assert 15 < rmssd_ms < 60
    assert 25 < 1000 * np.std(rr_s) < 100
    even = np.interp(np.arange(0, rr_s.sum(), 0.25), np.cumsum(rr_s), rr_s)
    hz, power = welch(even - even.mean(), fs=4, nperseg=512)
    band = (hz > 0.18) & (hz < 0.35)
    assert hz[band][np.argmax(power[band])] == pytest.approx(0.25, abs=0.03)


def test_drawn_seizures_have_the_published_means_and_spreads() -> None:
    for epilepsy in (Epilepsy(), FRONTAL):
        draw = Seizures(epilepsy, 7)
        plans = [draw() for _ in range(4000)]
        rising = [p for p in plans if p.rise_bpm]
        rise = np.array([p.rise_bpm for p in rising])
        assert len(rising) / len(plans) == pytest.approx(0.71, abs=0.03)
        assert rise.mean() == pytest.approx(epilepsy.rise_bpm, rel=0.06)
        assert rise.std() == pytest.approx(epilepsy.rise_sd_bpm, rel=0.08)
        early = np.array([p.rise_at_s < p.onset_s for p in plans])
        assert early.mean() == pytest.approx(0.36, abs=0.03)
        lags_s = np.array([p.rise_at_s - p.onset_s for p in plans])
        assert np.median(lags_s[~early]) == pytest.approx(10, abs=1)
        raised_s = np.array([p.return_s for p in plans]) / 0.4
        assert raised_s.mean() == pytest.approx(epilepsy.raised_s, rel=0.06)


def test_seizures_come_in_order_and_never_overlap() -> None:
    draw = Seizures(Epilepsy(per_day=500.0), 3)
    plans: list[Plan] = [draw() for _ in range(500)]
    for one, next_one in pairwise(plans):
        assert min(one.onset_s, one.rise_at_s) < one.end_s
        assert one.end_s + one.return_s <= min(next_one.onset_s, next_one.rise_at_s)
    never = Seizures(Epilepsy(per_day=0.0), 3)()
    assert np.isinf(never.onset_s)


def test_the_heart_rises_in_a_seizure_by_what_was_drawn_and_returns() -> None:
    steady = Heart(rsa=0.0, lf=0.0, vlf=0.0)
    patient = VnsPatient(replace(ONE, heart=steady), seed=5)
    rates = rates_bpm(patient, 1200)
    first = patient.seizures[0]
    during = rates[int(first.rise_at_s) : int(first.end_s) + 1]
    assert during.max() == pytest.approx(74.9 + first.rise_bpm, abs=1)
    assert rates[int(first.onset_s) - 30] == pytest.approx(74.9, abs=0.1)
    assert not first.stopped
    assert first.end_s == pytest.approx(first.untreated_s, abs=0.11)


def treated(
    seed: int, delay_s: float, amplitude_ua: int, nerve: Nerve | None = None
) -> VnsPatient:
    """The first seizure, met by a train of half a minute so long after its onset."""
    model = ONE if nerve is None else replace(ONE, nerve=nerve)
    onset_s = Seizures(model.epilepsy, seed)().onset_s
    patient = VnsPatient(model, seed=seed)
    live(patient, onset_s + delay_s)
    live(patient, 30, amplitude_ua)
    live(patient, 300)
    return patient


def test_a_train_in_time_ends_as_many_seizures_as_it_should_and_a_late_one_shortens() -> None:
    sure = Nerve(p_stop=1.0, half_ma=0.1)
    ended = [treated(seed, 2.0, 2000, sure).seizures[0] for seed in range(8)]
    assert all(s.stopped for s in ended)
    assert all(6.5 < s.end_s - s.onset_s < 7.6 for s in ended)
    none = [treated(seed, 2.0, 0).seizures[0] for seed in range(8)]
    late = Nerve(half_ma=0.1, in_time_s=0.0)
    shortened = [treated(seed, 2.0, 2000, late).seizures[0] for seed in range(8)]
    for before, after in zip(none, shortened, strict=True):
        share = (before.end_s - after.end_s) / (before.end_s - before.onset_s - 7)
        assert not after.stopped
        assert 0.17 < share < 0.43


def test_more_current_stops_more_seizures() -> None:
    stopped = [
        sum(treated(seed, 2.0, ua).seizures[0].stopped for seed in range(12))
        for ua in (0, 750, 2000)
    ]
    assert stopped[0] == 0
    assert stopped[0] <= stopped[1] < stopped[2] < 12


def test_treated_and_untreated_arms_live_through_the_same_day() -> None:
    """Without any effect of stimulation, every sample is the same."""
    deaf = Nerve(half_ma=3.5, p_stop=0.0, shorten_least=0.0, shorten_most=0.0, slowing_bpm=0.0)
    arms = [VnsPatient(replace(ONE, nerve=deaf), seed=3) for _ in range(2)]
    assert np.array_equal(live(arms[0], 600, 1500), live(arms[1], 600))
    assert arms[0].seizures == arms[1].seizures
    assert arms[0].truth.trains == 1


def test_a_train_slows_the_heart_a_little_and_only_while_it_lasts() -> None:
    steady = replace(NERVES["resting"], heart=Heart(rsa=0.0, lf=0.0, vlf=0.0))
    patient = VnsPatient(steady, seed=1)
    before = rates_bpm(patient, 5)[-1]
    during = rates_bpm(patient, 30, 3500)[-1]
    after = rates_bpm(patient, 30)[-1]
    assert 2 < before - during < 5
    assert after == pytest.approx(before, abs=0.1)


@pytest.mark.parametrize(
    ("amplitude_ua", "width_us", "period_us", "share"),
    [
        (1000, 250, 50_000, 0.5),
        (0, 250, 50_000, 0.0),
        (1000, 0, 50_000, 0.0),
        (1000, 250, 0, 0.0),
        (1000, 250, 100_000, 0.25),  # half the rate, half the effect
        (1000, 250, 33_333, 0.5),  # a higher rate adds nothing
        (750, 500, 50_000, 0.5),  # at twice the width three quarters of the current
        (3500, 250, 50_000, 0.99),
    ],
)
def test_recruitment_follows_strength_duration_and_rate(
    amplitude_ua: int, width_us: int, period_us: int, share: float
) -> None:
    vagus = Vagus(Nerve(), np.random.default_rng(0))
    assert vagus.recruitment(amplitude_ua, width_us, period_us) == pytest.approx(
        share, abs=0.01
    )


def test_half_of_the_trains_alter_the_voice_at_2_ma_and_hardly_any_at_1() -> None:
    def share(amplitude_ua: int) -> float:
        patient = VnsPatient(NERVES["resting"], seed=6)
        altered = 0
        for _ in range(100):
            live(patient, 2, amplitude_ua)
            altered += patient.truth.voice
            live(patient, 2)
            assert not patient.truth.voice
        assert patient.truth.trains == 100
        return altered / 100

    assert share(1000) <= 0.06
    assert share(2000) == pytest.approx(0.5, abs=0.15)
    assert share(3000) >= 0.94


def test_noradrenaline_comes_with_the_train_and_serotonin_over_days() -> None:
    patient = VnsPatient(NERVES["resting"], seed=1)
    live(patient, 30, 2000)
    high = patient.truth
    live(patient, 120)
    assert high.noradrenaline > 0.9
    assert patient.truth.noradrenaline < 0.01
    assert 0 < high.serotonin < 1e-4


def test_pulses_at_1_hz_are_one_train() -> None:
    patient = VnsPatient(NERVES["resting"], seed=1)
    for _ in range(10):
        patient.sense(np.array([1500, 0, 0, 0, 0] * 50, np.int32), WIDTH_US, 1_000_000)
    assert patient.truth.trains == 1


def test_a_day_has_its_night_and_bouts_as_often_as_declared() -> None:
    course = Course(Activity(), 5)
    day = np.concatenate([course() for _ in range(24)])
    assert day.shape == (24 * CHUNK_S, 2)
    night = day[16 * 3600 : 22 * 3600]  # midnight to six, from eight in the morning
    assert np.median(night[:, 0]) == pytest.approx(-12, abs=0.1)
    assert np.all(night[:, 1] == 0)
    assert day[: 14 * 3600, 0].max() > 60
    active = (day[: 14 * 3600, 0] > 0).mean()
    assert 0.3 < active < 0.8
    still = Course(STILL, 5)()
    assert np.all(still == 0)


def test_bouts_are_the_same_in_whatever_chunks_they_are_asked_for_and_differ_by_seed() -> None:
    one, same, other = (Course(Activity(), seed) for seed in (1, 1, 2))
    first = [one() for _ in range(3)]
    assert all(np.array_equal(a, same()) for a in first)
    assert not np.array_equal(first[0], other())


def test_muscle_noise_comes_with_exertion() -> None:
    hard = Activity(exertions_per_h=60.0, exertion_bpm=100.0, exertion_s=600.0)
    none = NERVES["resting"]
    noisy = live(VnsPatient(replace(none, activity=hard), seed=1), 300)
    quiet = live(VnsPatient(none, seed=1), 300)
    rough = [np.median(np.abs(np.diff(samples_uv))) for samples_uv in (noisy, quiet)]
    assert rough[0] > 2 * rough[1]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Heart, {"rest_bpm": 300.0}),
        (Heart, {"r_uv": float("nan")}),
        (Activity, {"exertions_per_h": -1.0}),
        (Epilepsy, {"rising": 1.5}),
        (Nerve, {"half_ma": 0.0}),
    ],
)
def test_what_no_patient_is_like_is_refused_by_name(
    kind: type, wrong: dict[str, float]
) -> None:
    with pytest.raises(PatientError, match=next(iter(wrong))):
        kind(**wrong)


def test_parameters_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(PatientError, match="least is not more"):
        Nerve(shorten_least=0.5, shorten_most=0.1)
    with pytest.raises(PatientError, match="night has a length"):
        Activity(bed_h=7.0, rise_h=7.0)


def test_an_unknown_patient_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PatientError, match="choose frontal"):
        patient_model("frontl", "vns")
    with pytest.raises(PatientError, match="cluster or frontal or resting or temporal"):
        patient_model("xyz", "vns")
    assert patient_model("frontal", "vns").patient().fs_hz == 250


def test_a_rate_the_front_end_does_not_have_and_blocks_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="250, 500 or 1000"):
        VnsPatient(fs_hz=300)
    patient = VnsPatient()
    with pytest.raises(ValueError, match="int32"):
        patient.sense(np.zeros(5), WIDTH_US, PERIOD_US)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        patient.sense(np.full(5, -1, np.int32), WIDTH_US, PERIOD_US)
    with pytest.raises(ValueError, match="negative"):
        patient.sense(np.zeros(5, np.int32), -1, PERIOD_US)
