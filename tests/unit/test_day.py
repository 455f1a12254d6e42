from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from stimloop_sim.cohort import DAY, cohort
from stimloop_sim.day import CHUNK_S, Course, Day
from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import DbsPatient, PatientModel

ONE_DOSE = Day(start_h=8.0, doses_h=(8.0,))


def rows(
    day: Day, hours: int, seed: int = 0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    course = Course(day, seed)
    return np.concatenate([course() for _ in range(hours)])


def test_levodopa_works_half_an_hour_to_three_quarters_after_it_was_swallowed() -> None:
    tone = rows(ONE_DOSE, 12)[:, 2]
    peak = int(tone.argmax())
    onset_min = np.flatnonzero(tone >= tone[peak] / 2)[0] / 60
    assert 30.0 <= onset_min <= 45.0
    assert 0.8 < tone[peak] < 1.0
    assert tone[-1] < 0.01


def test_the_amount_at_the_effect_site_solves_its_two_compartments() -> None:
    """Euler in steps of a second, from an empty gut."""
    gut, site = 1.0, 0.0
    amount = []
    for _ in range(6 * 3600):
        gut, site = (
            gut - gut / 1200.0,
            site + gut / 1200.0 - site / 4500.0,
        )
        amount.append(site)
    linear = replace(ONE_DOSE, lag_min=0.0, steepness=1.0)
    tone = rows(linear, 6)[1:, 2]
    assert tone / (1.0 - tone) * linear.half == pytest.approx(np.array(amount[:-1]), abs=5e-4)


def test_the_tone_falls_with_the_time_constant_of_elimination() -> None:
    linear = replace(ONE_DOSE, steepness=1.0)
    tone = rows(linear, 8)[:, 2]
    amount = tone / (1.0 - tone)
    fall_min = -60.0 / np.log(amount[7 * 3600] / amount[6 * 3600])
    assert fall_min == pytest.approx(75.0, abs=0.5)


def test_full_tone_makes_the_patient_of_the_fit_on_medication() -> None:
    off, on = PatientModel(), PatientModel(growth_per_s=-9.74, drift_sd_per_s=3.10)
    assert off.growth_per_s - off.day.tone_per_s == pytest.approx(on.growth_per_s)
    calm = off.drift_sd_per_s * (1.0 - off.day.tone_calm)
    assert calm == pytest.approx(on.drift_sd_per_s, abs=0.01)


def test_beta_is_lower_while_levodopa_works() -> None:
    patient = DbsPatient(PatientModel(day=ONE_DOSE), seed=1)
    patient.sense(np.zeros(4 * 3600 * 250, np.int32), 60, 7692)
    minutes = patient.envelope_uv.reshape(-1, 15_000).mean(axis=1)
    assert minutes[45:100].mean() < 0.75 * np.mean([minutes[:25].mean(), minutes[-40:].mean()])
    assert patient.symptoms.tone < 0.2


def test_night_is_night_only_and_comes_smoothly() -> None:
    hours = np.arange(0, 24, 1 / 60)
    night = DAY.night(3600.0 * hours)
    assert np.all(night[(hours < 6.4) | (hours > 23.6)] == 1.0)
    assert np.all(night[(hours > 7.6) & (hours < 22.4)] == 0.0)
    assert DAY.night(np.array([7.0 * 3600, 23.0 * 3600])) == pytest.approx([0.5, 0.5])
    assert np.abs(np.diff(np.append(night, night[0]))).max() < 0.03


def test_nobody_moves_in_the_night_and_movements_come_as_often_as_declared() -> None:
    moving = Day(start_h=0.0, moves_per_h=60.0)
    growth = rows(moving, 24, seed=3)[:, 0]
    starts = np.flatnonzero((growth[1:] < -1.0) & (growth[:-1] >= -1.0)) + 1
    awake = starts[(starts > 8 * 3600) & (starts < 22 * 3600)]
    asleep = starts[(starts < 6 * 3600)]
    assert not len(asleep)
    # A minute's rest, and then a movement of 6 s with its rebound of 2 s.
    assert len(awake) / 14 == pytest.approx(3600 / 68.5, rel=0.1)
    assert all(growth[b - 1] > -1.0 for _, b in pairwise(starts.tolist()))
    assert set(np.unique(growth).round(9)) == {-3.0, 0.0, 2.2}


def test_the_wandering_has_its_deviation_and_its_time_constant() -> None:
    wander = Day(wander_per_s=1.5, wander_min=30.0)
    minutes = rows(wander, 24 * 40, seed=2)[::60, 0]
    assert float(np.std(minutes)) == pytest.approx(1.5, rel=0.1)
    assert float(np.corrcoef(minutes[30:], minutes[:-30])[0, 1]) == pytest.approx(
        np.exp(-1), abs=0.08
    )


def test_hemispheres_share_their_day_and_have_noise_of_their_own() -> None:
    model = cohort("dbs-day", 1, 3)["dbs-day-3-0"]
    left, right = (DbsPatient(model, seed=5, side=side) for side in (0, 1))
    silence = np.zeros(2 * 3600 * 250, np.int32)
    first, second = left.sense(silence, 60, 7692), right.sense(silence, 60, 7692)
    assert left.symptoms.tone == right.symptoms.tone
    # Steps from sample to sample; two bursts of one frequency still look alike for a while.
    steps = np.diff(first[:, 0]), np.diff(second[:, 0])
    assert abs(float(np.corrcoef(*steps)[0, 1])) < 0.05


def test_treatment_changes_nothing_of_the_day_or_the_noise() -> None:
    """With suppression switched off in the model, full stimulation leaves every sample."""
    model = PatientModel(day=DAY, suppression_per_s=0.0)
    samples = (CHUNK_S + 100) * 250
    treated, untreated = DbsPatient(model, seed=3), DbsPatient(model, seed=3)
    assert np.array_equal(
        treated.sense(np.full(samples, 3000, np.int32), 60, 7692),
        untreated.sense(np.zeros(samples, np.int32), 60, 7692),
    )


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("doses_h", (25.0,), "times of day from 0 to below 24 h"),
        ("absorption_min", 80.0, "absorbed faster than it goes"),
        ("night_per_s", -1.0, "night_per_s is -1 1/s, and no patient is like that"),
        ("start_h", float("nan"), "start_h is nan h"),
    ],
)
def test_an_impossible_day_is_refused(field: str, value: object, told: str) -> None:
    with pytest.raises(PatientError, match=told):
        replace(Day(), **{field: value})  # type: ignore[arg-type]
