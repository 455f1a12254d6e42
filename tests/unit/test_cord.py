import math
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import spinal_cord_card
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stimloop_dsp.ecap import n1_p2_uv
from stimloop_sim._cord import Body
from stimloop_sim.cord import CORDS, CordModel, ScsPatient
from stimloop_sim.evoked import Window
from stimloop_sim.parameter import PatientError
from stimloop_sim.patients import patient_model
from stimloop_sim.posture import POSTURES, PUBLISHED, Course

WIDTH_US = 200
PERIOD_US = 25_000  # 40 Hz
STILL = CordModel(
    course=Course((("sitting", 3600.0),)),
    breath_depth=0.0,
    heart_depth=0.0,
    coughs_per_min=0.0,
    artefact_uv_uc=0.0,
    drift_uv_ms=0.0,
    noise_uv=0.0,
)


def train(patient: ScsPatient, pulses: int, amplitude_ua: int) -> NDArray[np.float64]:
    """True responses, µV, to so many pulses at 40 Hz."""
    samples = patient.fs_hz * PERIOD_US // 1_000_000
    evoked_uv = []
    for _ in range(pulses):
        patient.evoke(0, amplitude_ua, WIDTH_US)
        evoked_uv.append(patient.cord.evoked_uv)
        patient.sense(np.zeros(samples, np.int32), WIDTH_US, PERIOD_US)
    return np.array(evoked_uv)


def after(model: CordModel, seconds: float, seed: int = 0) -> ScsPatient:
    """A patient after so many seconds without a pulse."""
    patient = ScsPatient(model, seed=seed, fs_hz=1000)
    patient.sense(np.zeros(round(1000 * seconds), np.int32), 0, 0)
    return patient


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 2000), max_size=5), seed=st.integers(0, 5))
def test_any_split_into_blocks_gives_the_same_samples_and_the_same_responses(
    cuts: list[int], seed: int
) -> None:
    model = replace(CORDS["default"], course=Course((("supine", 1.0), ("walking", 1.0))))
    whole, split = (ScsPatient(model, seed=seed, fs_hz=1000) for _ in range(2))
    sweeps = [whole.evoke(1000 * ms, 4000, WIDTH_US) for ms in range(0, 2000, 25)]
    felt = whole.sense(np.zeros(2000, np.int32), WIDTH_US, PERIOD_US)
    begin, parts, others = 0, [], []
    for end in [*sorted(cuts), 2000]:
        others += [
            split.evoke(1000 * (ms - begin), 4000, WIDTH_US)
            for ms in range(-(-begin // 25) * 25, end, 25)
        ]
        parts.append(split.sense(np.zeros(end - begin, np.int32), WIDTH_US, PERIOD_US))
        begin = end
    assert np.array_equal(np.concatenate(parts), felt)
    assert np.array_equal(others, sweeps)


def test_a_seed_fixes_the_patient_and_another_seed_makes_another() -> None:
    first = ScsPatient(seed=3).evoke(0, 5000, WIDTH_US)
    assert np.array_equal(ScsPatient(seed=3).evoke(0, 5000, WIDTH_US), first)
    assert not np.array_equal(ScsPatient(seed=4).evoke(0, 5000, WIDTH_US), first)


def test_below_threshold_nothing_answers_and_above_it_the_response_is_a_line() -> None:
    patient = ScsPatient(STILL)
    evoked = [float(train(patient, 1, ua)[0]) for ua in (1500, 3000, 6000, 7000)]
    assert evoked[0] < 1e-4
    assert evoked[1] < 0.1
    sitting = POSTURES["sitting"]
    for amplitude_ua, evoked_uv in zip((6000, 7000), evoked[2:], strict=True):
        charge_uc = amplitude_ua * WIDTH_US * 1e-6
        line_uv = sitting.slope_uv_uc * (charge_uc - sitting.threshold_uc)
        assert evoked_uv == pytest.approx(line_uv, rel=1e-3)


def test_at_the_threshold_the_knee_is_soft() -> None:
    patient = ScsPatient(STILL)
    at_threshold_ua = round(POSTURES["sitting"].threshold_uc / WIDTH_US * 1e6)
    width_uc = STILL.knee * POSTURES["sitting"].threshold_uc
    expected_uv = POSTURES["sitting"].slope_uv_uc * width_uc * math.log(2)
    assert train(patient, 1, at_threshold_ua)[0] == pytest.approx(expected_uv, rel=1e-6)


@given(low=st.integers(0, 10_000), more=st.integers(0, 5000), width_us=st.integers(20, 1000))
def test_more_current_never_evokes_less(low: int, more: int, width_us: int) -> None:
    patient = ScsPatient(STILL)
    patient.evoke(0, low, width_us)
    weak_uv = patient.cord.evoked_uv
    patient.evoke(0, low + more, width_us)
    assert patient.cord.evoked_uv >= weak_uv


def test_a_wider_pulse_needs_less_current_and_more_charge() -> None:
    patient = ScsPatient(STILL)

    def ratio(amplitude_ua: int, width_us: int) -> float:
        patient.evoke(0, amplitude_ua, width_us)
        return patient.cord.ratio

    assert ratio(2500, 400) > ratio(2500, 200)
    assert ratio(2500, 400) < ratio(5000, 200)


def test_the_sweep_shows_the_response_where_and_as_large_as_it_is() -> None:
    window = Window()
    sweep_uv = ScsPatient(STILL, window=window).evoke(0, 6000, WIDTH_US)
    n1_ms = window.t_ms[int(np.argmin(sweep_uv))]
    assert n1_ms == pytest.approx(STILL.distance_mm / STILL.velocity_m_s + 0.35, abs=0.05)
    truth_uv = POSTURES["sitting"].slope_uv_uc * (1.2 - POSTURES["sitting"].threshold_uc)
    read_uv = n1_p2_uv(sweep_uv, window.fs_hz, STILL.n1_ms - window.blank_us / 1000)
    assert read_uv == pytest.approx(truth_uv, rel=0.02)


def test_a_longer_way_delays_the_wave_and_nothing_else() -> None:
    near, far = (
        ScsPatient(replace(STILL, distance_mm=mm)).evoke(0, 6000, WIDTH_US) for mm in (30, 58.5)
    )
    lag = round(28.5 / STILL.velocity_m_s * Window().fs_hz / 1000)
    assert np.allclose(far[lag:], near[:-lag], atol=0.5)


def test_artefact_drift_and_noise_are_as_large_as_declared() -> None:
    loud = replace(STILL, noise_uv=5.0, drift_uv_ms=3.0)
    patient = ScsPatient(loud)
    sweeps = np.array([patient.evoke(0, 1000, WIDTH_US) for _ in range(2000)])
    t_ms = Window().t_ms
    slopes = np.polyfit(t_ms, sweeps.T, 1)[0]
    noise_of_slope = 5.0 / math.sqrt(np.sum((t_ms - t_ms.mean()) ** 2))
    assert slopes.std() == pytest.approx(math.hypot(3.0, noise_of_slope), rel=0.06)
    silence = np.array([patient.evoke(0, 0, WIDTH_US) for _ in range(500)])
    assert silence.std() == pytest.approx(5.0, rel=0.02)
    bare = ScsPatient(replace(STILL, artefact_uv_uc=1000.0)).evoke(0, 1000, WIDTH_US)
    assert bare[0] == pytest.approx(
        200.0 * (math.exp(-0.1 / 0.4) - 0.4 * math.exp(-0.1 / 2)), rel=1e-3
    )


def test_muscle_answers_late_and_only_to_strong_pulses() -> None:
    patient = ScsPatient(STILL)
    below, above = patient.evoke(0, 7500, WIDTH_US), patient.evoke(0, 12_500, WIDTH_US)
    assert abs(below[-1]) < 1e-3
    assert abs(above[-1]) > 5.0


@pytest.mark.parametrize("name", POSTURES)
def test_each_posture_has_its_threshold_and_slope(name: str) -> None:
    model = replace(STILL, course=Course(((name, 60.0),)), step_depth=0.0)
    patient = after(model, 10.0)
    patient.evoke(0, 10_000, WIDTH_US)
    posture = POSTURES[name]
    assert patient.cord.ratio == pytest.approx(2.0 / posture.threshold_uc)
    assert patient.cord.evoked_uv == pytest.approx(
        posture.slope_uv_uc * (2.0 - posture.threshold_uc), rel=1e-3
    )


def test_a_posture_is_approached_with_its_time_constant() -> None:
    model = replace(STILL, course=Course((("sitting", 30.0), ("supine", 30.0))))
    patient = after(model, 30.5)
    patient.evoke(0, 5000, WIDTH_US)
    sitting, supine = (POSTURES[name].threshold_uc for name in ("sitting", "supine"))
    expected = supine + (sitting - supine) * math.exp(-1.0)
    assert 1.0 / patient.cord.ratio == pytest.approx(expected, rel=1e-9)
    assert patient.posture == "supine"


@pytest.mark.parametrize(
    ("changed", "share"),
    [
        ({"breath_depth": 0.01}, 0.01),
        ({"heart_depth": 0.008}, 0.008),
        ({"course": Course((("walking", 60.0),)), "step_depth": 0.06}, 0.06),
    ],
)
def test_breath_heart_and_steps_sway_the_threshold(
    changed: dict[str, object], share: float
) -> None:
    patient = after(replace(STILL, **changed), 5.0)  # type: ignore[arg-type]
    ratios = []
    for _ in range(800):
        patient.evoke(0, 5000, WIDTH_US)
        ratios.append(1.0 / patient.cord.ratio)
        patient.sense(np.zeros(10, np.int32), 0, 0)
    middle = (max(ratios) + min(ratios)) / 2
    assert (max(ratios) - min(ratios)) / 2 / middle == pytest.approx(share, rel=0.02)


def test_steps_do_not_sway_who_stands() -> None:
    patient = after(replace(STILL, course=Course((("standing", 60.0),))), 5.0)
    evoked_uv = train(patient, 80, 6000)
    assert np.ptp(evoked_uv) < 1e-6


def test_coughs_come_as_often_as_declared_and_lower_the_threshold() -> None:
    model = replace(STILL, coughs_per_min=6.0)
    body = ScsPatient(model, seed=1).cord.body
    times_s = np.arange(0.0, 600.0, 0.01)
    thresholds = []
    for t_s in times_s:
        body.move(float(t_s))
        thresholds.append(body.threshold_uc)
    coughing = np.array(thresholds) < 0.999 * POSTURES["sitting"].threshold_uc
    coughs = np.count_nonzero(np.diff(coughing.astype(int)) == 1)
    assert coughs == pytest.approx(60, abs=3 * math.sqrt(60))
    assert min(thresholds) == pytest.approx(0.6 * POSTURES["sitting"].threshold_uc, rel=0.01)
    assert coughing.mean() == pytest.approx(coughs * model.cough_s / 600, rel=0.1)


def test_gravity_and_steps_are_felt_by_the_accelerometer() -> None:
    upright = after(replace(STILL, course=Course((("standing", 60.0),))), 5.0)
    lying = after(replace(STILL, course=Course((("supine", 60.0),))), 5.0)
    walking = after(replace(STILL, course=Course((("walking", 60.0),))), 5.0)
    felt = {
        name: patient.sense(np.zeros(5000, np.int32), 0, 0)
        for name, patient in (("up", upright), ("down", lying), ("steps", walking))
    }
    assert felt["up"].mean(axis=0) == pytest.approx([1000, 0, 0], abs=1)
    assert felt["down"].mean(axis=0) == pytest.approx([0, 0, 1000], abs=1)
    assert np.ptp(felt["steps"][:, 0]) == pytest.approx(2000 * STILL.bounce_g, rel=0.01)


def test_perception_comfort_and_discomfort_are_where_they_are_declared() -> None:
    patient = ScsPatient(STILL)
    for ratio, sensation in ((0.9, 0.0), (1.03, 0.0), (1.3, 1.0), (1.65, 2.0)):
        patient.evoke(0, round(ratio * 0.90 / WIDTH_US * 1e6), WIDTH_US)
        assert patient.cord.sensation == pytest.approx(sensation, abs=2e-3)


def test_comfortable_pulses_relieve_pain_and_their_effect_outlasts_them() -> None:
    patient = ScsPatient(STILL, fs_hz=1000)
    assert patient.pain_mm == STILL.pain_mm
    train(patient, 40 * 60 * 20, 5850)  # twenty minutes of comfort
    relieved_mm = patient.pain_mm
    expected = STILL.pain_mm * (1 - STILL.relief * (1 - math.exp(-2.0)))
    assert relieved_mm == pytest.approx(expected, rel=0.01)
    patient.sense(np.zeros(1000 * 60 * 45, np.int32), 0, 0)
    lost = (STILL.pain_mm - patient.pain_mm) / (STILL.pain_mm - relieved_mm)
    assert lost == pytest.approx(math.exp(-1.0), rel=0.01)


def test_pulses_that_hurt_relieve_nothing() -> None:
    patient = ScsPatient(STILL)
    train(patient, 40 * 60, 10_000)
    assert patient.pain_mm == STILL.pain_mm


def test_a_sweep_without_a_pulse_is_noise_that_nobody_feels() -> None:
    patient = ScsPatient(replace(STILL, noise_uv=1.0))
    train(patient, 1, 6000)
    ratio = patient.cord.ratio
    assert patient.evoke(0, 0, WIDTH_US).std() == pytest.approx(1.0, rel=0.3)
    assert patient.cord.evoked_uv == 0.0
    assert patient.cord.ratio == ratio  # of the latest pulse


def test_the_published_course_is_150_s_and_begins_anew() -> None:
    assert PUBLISHED.seconds == 150.0
    assert PUBLISHED.at(0.0) == PUBLISHED.at(150.0) == "sitting"
    assert PUBLISHED.at(81.0) == PUBLISHED.at(231.0) == "supine"


def test_a_course_is_read_from_a_line() -> None:
    course = Course.parse("sitting:30, supine:12.5")
    assert course.stays == (("sitting", 30.0), ("supine", 12.5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sitting", "write POSTURE:SECONDS"),
        ("sitting:long", "write POSTURE:SECONDS"),
        ("siting:30", "did you mean 'sitting'"),
        ("flying:30", "known are: sitting"),
        ("sitting:0", "1 to 86400 s"),
        ("sitting:nan", "1 to 86400 s"),
        ("sitting:inf", "1 to 86400 s"),
        ("", "write POSTURE:SECONDS"),
    ],
)
def test_an_impossible_course_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(PatientError, match=words) as refused:
        Course.parse(text)
    assert str(refused.value).count("\n") == 0


def test_a_course_of_nothing_is_refused() -> None:
    with pytest.raises(PatientError, match="name at least one"):
        Course(())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"velocity_m_s": 0.0}, "velocity_m_s is 0 m/s"),
        ({"noise_uv": math.nan}, "noise_uv is nan"),
        ({"knee": -0.1}, "choose 0.001 to 0.5"),
        ({"comfort": 1.9}, "let them ascend"),
    ],
)
def test_parameters_that_no_patient_has_are_refused(
    changed: dict[str, float], words: str
) -> None:
    with pytest.raises(PatientError, match=words):
        replace(STILL, **changed)  # type: ignore[arg-type]


def test_patients_have_names_and_an_unknown_one_is_told_the_nearest() -> None:
    assert patient_model("calm", "scs") is CORDS["calm"]
    with pytest.raises(PatientError, match="choose default"):
        patient_model("defaults", "scs")
    with pytest.raises(PatientError, match="calm or default or noisy or sitting"):
        patient_model("tremor", "scs")


def test_impossible_pulses_and_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        ScsPatient().evoke(0, -1, WIDTH_US)
    with pytest.raises(ValueError, match="choose 250, 500 or 1000"):
        ScsPatient(fs_hz=400)
    with pytest.raises(ValueError, match="non-negative"):
        ScsPatient(seed=-1)


def test_body_and_cord_of_a_patient_move_alike() -> None:
    """The accelerometer and the pulses ask at their own times, and live through one course."""
    patient = ScsPatient(seed=9)
    assert isinstance(patient.cord.body, Body)
    course_end_s = PUBLISHED.seconds * 3 + 120.0
    patient.cord.body.move(course_end_s)
    felt = after(CORDS["default"], course_end_s, seed=9).sense(np.zeros(1, np.int32), 0, 0)
    assert PUBLISHED.at(course_end_s) == "prone"
    assert felt[0] == pytest.approx([0, 0, -1000], abs=1)
    assert patient.cord.body.threshold_uc == pytest.approx(
        POSTURES["prone"].threshold_uc, rel=0.15
    )


def test_the_model_card_is_made_of_the_declarations() -> None:
    assert spinal_cord_card.PAGE.read_text("utf-8") == spinal_cord_card.page()
