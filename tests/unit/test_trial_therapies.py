"""Trials of each therapy: what a file may ask for, and truth that is counted as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stimloop_lab import results, trial
from stimloop_lab.dbs import DbsWitness
from stimloop_lab.measures import markdown, measures
from stimloop_lab.outcome import Outcome
from stimloop_lab.scs import Ordeal, ScsWitness
from stimloop_lab.therapies import THERAPIES
from stimloop_lab.titration import Titrated
from stimloop_lab.trial import TrialError
from stimloop_lab.vns import Lived, VnsWitness, score
from stimloop_sim.cord import CORDS, CordModel
from stimloop_sim.parameter import changed, paths
from stimloop_sim.patients import FAMILIES, patient_model
from stimloop_sim.posture import Course
from stimloop_sim.vns import NERVES, VnsModel

if TYPE_CHECKING:
    from stimloop_sim.seizures import Seizure

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "trials"
SCS = """\
schema = 1
device = "scs"
durations_s = [4]
[calibration]
step_ma = 0.5
step_s = 0.5
[[patients]]
name = "calm"
postures = "sitting:30,supine:30"
[[patients]]
cohort = "scs"
count = 1
seed = 7
[[arms]]
name = "closed"
prescription = "../scs_ecap.toml"
titrated = true
[[arms]]
name = "yoked"
kind = "yoked"
of = "closed"
"""
VNS = """\
schema = 1
device = "vns"
durations_s = [4]
[[patients]]
name = "cluster"
[[patients]]
cohort = "vns"
count = 1
seed = 7
parameters.heart.rest_bpm = 80
[[arms]]
name = "auto"
prescription = "../vns_autostim.toml"
[[arms]]
name = "sham"
kind = "sham"
of = "auto"
"""
TITRATED = Titrated(4.6, 6.0, 7.6, 4500.0, 50.0, 2.0, 77.0, 0.1)


def load(text: str) -> trial.Trial:
    return trial.loads(text, EXAMPLES)


def test_the_device_says_whose_patients_they_are() -> None:
    cord, nerve = load(SCS), load(VNS)
    assert (cord.family, nerve.family) == ("scs", "vns")
    assert cord.patients[0].model.course.at(31.0) == "supine"
    assert isinstance(cord.patients[1].model, CordModel)
    assert nerve.patients[1].model.heart.rest_bpm == 80
    assert nerve.patients[0].model == NERVES["cluster"]
    assert set(THERAPIES) == set(FAMILIES)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.toml")))
def test_an_example_is_a_trial(name: str) -> None:
    found = trial.load(EXAMPLES / name)
    assert name.startswith(found.family)
    assert {arm.control.value for arm in found.arms} == {
        *("therapy", "sham", "yoked", "random_duty")
    }


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (SCS, '"calm"', '"clam"', "no patient 'clam' of spinal cord stimulation; choose calm"),
        (
            SCS,
            '"calm"',
            '"temporal"',
            "a patient of vagus nerve stimulation, and the device is",
        ),
        (SCS, '"calm"', '"dbs-7-0"', "'dbs-7-0' is a patient of deep brain stimulation"),
        (VNS, '"cluster"', '"scs-7-1"', "'scs-7-1' is a patient of spinal cord stimulation"),
        (SCS, 'cohort = "scs"', 'cohort = "vns"', "choose scs or scs-calm"),
        (VNS, 'cohort = "vns"', 'cohort = "vsn"', "no kind 'vsn' of patients; choose vns"),
        (SCS, "titrated = true", "threshold_percentile = 50", "deep brain stimulation only"),
        (
            VNS,
            'name = "auto"',
            'name = "auto"\ntitrated = true',
            "spinal cord stimulation only",
        ),
        (SCS, 'of = "closed"', 'of = "closed"\ntitrated = true', "change it there, in closed"),
        (SCS, "step_ma = 0.5", "burst_percentile = 75", "calibration.burst_percentile"),
        (SCS, "step_ma = 0.5", "step_na = 0.5", "write step_ma, if that is meant"),
        (SCS, "step_ma = 0.5", 'posture = "siting"', "calibration.posture"),
        (SCS, "step_ma = 0.5", "seed = 0", "so that no threshold knows the noise"),
        (
            VNS,
            "[[patients]]\nname",
            "[calibration]\nseed = 4\n[[patients]]\nname",
            "calibration",
        ),
        (VNS, 'name = "cluster"', 'name = "cluster"\npostures = "sitting:9"', "remove it"),
        (SCS, "sitting:30,supine:30", "siting:30", "did you mean 'sitting'"),
        (VNS, "heart.rest_bpm", "heart.rest_bmp", "write heart.rest_bpm, if that is meant"),
        (VNS, "rest_bpm = 80", "rest_bpm = 800", "rest_bpm is 800 bpm, and no patient"),
    ],
)
def test_what_belongs_to_another_therapy_is_refused_in_words(
    text: str, old: str, new: str, told: str
) -> None:
    assert old in text
    with pytest.raises(TrialError) as refused:
        load(text.replace(old, new, 1))
    assert told in str(refused.value)


def test_a_titrated_prescription_has_the_patients_setpoint_and_scaled_amplitudes() -> None:
    closed = load(SCS).arms[0]
    scs = THERAPIES["scs"]
    as_written, asked = scs.prescription(closed), scs.prescription(closed, TITRATED)
    assert as_written.stimulation.amplitude_ma == 9.0
    assert asked.stimulation.amplitude_ma == 9.8, "9 mA by 6.0 / 5.5, down to the device's step"
    assert asked.stimulation.fallback_ma == 6.0
    assert asked.controller.model_dump()["open_loop_ma"] == 6.0
    assert asked.controller.model_dump()["setpoint_uv"] == 77.0
    untitrated = load(SCS.replace("titrated = true", "")).arms[0]
    assert scs.prescription(untitrated, TITRATED) == as_written


def test_a_change_of_several_parameters_is_one_change() -> None:
    model = changed(VnsModel(), {"nerve.shorten_least": 0.6, "nerve.shorten_most": 0.7})
    assert (model.nerve.shorten_least, model.nerve.shorten_most) == (0.6, 0.7)
    assert {"heart.rest_bpm", "epilepsy.per_day"} < set(paths(model))


# The spinal cord ----------------------------------------------------------------------------

STEADY = replace(CORDS["sitting"], breath_depth=0.0, heart_depth=0.0, noise_uv=0.0)
T_UA = 4500
"""Threshold of a sitting patient at 200 µs: 0.9 µC."""
TICK_US = 25_000


def lived(model: CordModel, amplitudes_ua: list[int], setpoint_uv: float) -> ScsWitness:
    """A patient who had a pulse of 200 µs every 25 ms, or none where it is 0."""
    witness = ScsWitness(model.patient(seed=3, fs_hz=1000), setpoint_uv)
    witness.listening = True
    for amplitude_ua in amplitudes_ua:
        witness.evoke(0, amplitude_ua, 200)
        witness.sense(np.full(25, amplitude_ua, np.int32), 200, TICK_US)
    return witness


def test_deviation_dose_and_what_is_felt_are_those_of_the_pulses_that_were_lived() -> None:
    comfortable, strong = round(1.3 * T_UA), 2 * T_UA
    witness = lived(STEADY, [comfortable] * 40 + [strong] * 40 + [0] * 80, 60.0)
    found = witness.columns(TICK_US)
    evoked_uv = np.array([250 * 0.9 * 0.3, 250 * 0.9])  # S (Q - T)
    assert found["evoked_uv"] == pytest.approx(evoked_uv.mean(), rel=1e-3)
    assert found["evoked_sd_uv"] == pytest.approx(evoked_uv.std(), rel=1e-3)
    assert found["deviation_uv"] == pytest.approx(
        math.sqrt(np.mean((evoked_uv - 60.0) ** 2)), rel=1e-3
    )
    assert found["dose_ratio"] == pytest.approx(1.65)
    assert found["above_discomfort"] == pytest.approx(0.25)
    assert found["in_window"] == pytest.approx(0.25)
    assert found["below_perception"] == pytest.approx(0.5)
    assert witness.time_on == 0.5
    assert (found["coughs"], found["posture_changes"]) == (0, 0)


def test_nothing_is_counted_before_therapy() -> None:
    witness = ScsWitness(STEADY.patient(seed=3, fs_hz=1000), 60.0)
    witness.evoke(0, 9000, 200)
    witness.sense(np.full(25, 9000, np.int32), 200, TICK_US)
    assert math.isnan(witness.time_on)
    assert math.isnan(witness.columns(TICK_US)["evoked_uv"])


def test_every_cough_is_counted_whether_or_not_there_are_pulses() -> None:
    model = replace(STEADY, coughs_per_min=20.0, discomfort=2.0)
    ticks = 40 * 60
    coughing, coughs, patient = False, 0, model.patient(seed=3, fs_hz=1000)
    for _ in range(60_000):
        patient.sense(np.zeros(1, np.int32), 0, 0)
        coughs += coughing and not patient.coughing
        coughing = patient.coughing
    assert coughs > 5
    # Too weak to be felt but at the height of a cough; just felt; comfortable until the cough.
    for share, survived in ((0.0, False), (0.9, False), (1.05, True), (1.3, False)):
        found = lived(model, [round(share * T_UA)] * ticks, 60.0).columns(TICK_US)
        assert found["coughs"] == coughs
        assert (found["coughs_survived"] > 0.5) is survived, share
    assert found["cough_pulses"] > 2


def test_a_change_of_posture_is_survived_where_stimulation_is_kept_between_its_bounds() -> None:
    sitting_ua, supine_ua = round(1.3 * T_UA), round(1.3 * 2100)
    for other, amplitude_ua, share in (
        ("standing", sitting_ua, 1.0),
        ("supine", sitting_ua, 0.0),  # lying down hurts, and does until the patient sits
        ("supine", supine_ua, 0.5),  # sitting up, nothing is felt any more
    ):
        model = replace(STEADY, course=Course((("sitting", 10.0), (other, 10.0))))
        found = lived(model, [amplitude_ua] * 1200, 60.0).columns(TICK_US)
        assert found["posture_changes"] == 2
        assert found["posture_survived"] == share


def test_an_ordeal_that_never_began_is_not_over() -> None:
    ordeal = Ordeal()
    ordeal.pulse(9.0)
    ordeal.end()
    assert ordeal.over == 0
    assert math.isnan(ordeal.share)


# The vagus nerve ----------------------------------------------------------------------------

OFTEN = changed(
    NERVES["cluster"],
    {
        "epilepsy.per_day": 500.0,
        "epilepsy.first_s": 20.0,
        "nerve.p_stop": 1.0,
        "nerve.half_ma": 0.2,
    },
)
SECONDS = 600


def treated(pulses: set[int]) -> VnsWitness:
    """Ten minutes of a patient who is stimulated in these seconds."""
    witness = VnsWitness(OFTEN.patient(seed=5))
    witness.listening = True
    for second in range(SECONDS):
        ua = 2000 if second in pulses else 0
        for _ in range(10):
            witness.sense(np.full(25, ua, np.int32), 500, 50_000)
    return witness


def untreated() -> tuple[Seizure, ...]:
    patient = OFTEN.patient(seed=5)
    patient.sense(np.zeros(250 * SECONDS, np.int32), 0, 0)
    seizures: tuple[Seizure, ...] = patient.seizures
    return seizures


def test_seizures_trains_and_latencies_are_those_that_were_lived() -> None:
    plain = untreated()
    assert len(plain) >= 2
    sham = treated(set())
    assert [(s.onset_s, s.end_s) for s in sham.seizures] == [
        (s.onset_s, s.end_s) for s in plain
    ]
    found = sham.columns([])
    assert (found["seizures"], found["met"], found["trains_per_h"]) == (len(plain), 0, 0)
    assert found["seizure_ratio"] == 1.0
    assert math.isnan(found["latency_s"])
    assert math.isnan(found["voice"])
    # A train of 30 s from ten seconds after the first onset on, and nothing else.
    begin_s = math.ceil(plain[0].onset_s) + 10
    helped = treated(set(range(begin_s, begin_s + 30)))
    first = helped.seizures[0]
    assert first.stopped
    found = helped.columns([begin_s - 5.0])
    assert found["latency_s"] == pytest.approx(begin_s + 0.1 - plain[0].onset_s, abs=0.11)
    assert found["stopped"] == found["met"] == found["detected"] == 1 / len(helped.seizures)
    assert found["trains_per_h"] == pytest.approx(3600 / SECONDS)
    assert found["seizure_ratio"] < 1
    assert helped.time_on == pytest.approx(30 / SECONDS)


def test_a_train_under_way_at_the_onset_meets_it_at_once() -> None:
    onset_s = math.floor(untreated()[0].onset_s)
    found = treated(set(range(onset_s - 5, onset_s + 20))).columns([])
    assert found["latency_s"] == 0


def test_alarms_are_right_false_or_neither() -> None:
    seizures = [
        Lived(100.0, 150.0, 150.0, False, math.nan),
        Lived(900.0, 950.0, 960.0, True, 1.0),
    ]
    assert score(seizures, []) == (0, 0)
    assert score(seizures, [69.0]) == (0, 1), "too early"
    assert score(seizures, [71.0, 149.0]) == (1, 0), "twice is once"
    assert score(seizures, [151.0, 209.0]) == (0, 0), "on the way back"
    assert score(seizures, [211.0, 500.0, 925.0]) == (1, 2)
    assert score([], [880.0], open_s=900.0) == (0, 0), "for one that is not over"


# The tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", THERAPIES)
def test_a_column_says_what_it_is_in_the_results_themselves(family: str) -> None:
    schema = results.schema(THERAPIES[family])
    told = measures(THERAPIES[family].outcome)
    assert [field.name for field in schema][6:] == [measure.name for measure in told]
    assert len({measure.label for measure in told}) == len(told)
    assert sum(measure.drawn for measure in told) == 6
    for measure in told:
        metadata = schema.field(measure.name).metadata
        assert metadata[b"unit"].decode() == measure.unit
        assert metadata[b"meaning"]
        assert metadata[b"illustrative"] == str(measure.illustrative).lower().encode()


def test_what_rests_on_nothing_but_a_choice_of_ours_is_marked() -> None:
    marked = {
        measure.name
        for therapy in THERAPIES.values()
        for measure in measures(therapy.outcome)
        if measure.illustrative
    }
    assert {"pain_mm", "stopped", "voice", "noradrenaline", "above_discomfort"} < marked


@pytest.mark.parametrize("outcome", [Outcome, *(t.outcome for t in THERAPIES.values())])
def test_the_page_has_the_tables_that_are_declared(outcome: type) -> None:
    assert markdown(outcome) in (ROOT / "docs" / "trials.md").read_text("utf-8")


def test_a_member_of_every_cohort_is_known_by_its_name() -> None:
    assert patient_model("scs-7-0", "scs") == load(SCS).patients[1].model
    assert isinstance(patient_model("vns-cluster-7-3", "vns"), VnsModel)


@pytest.mark.parametrize("name", sorted(FAMILIES["dbs"].named))
def test_the_true_amplitude_of_every_patient_of_the_brain_is_told(name: str) -> None:
    patient = patient_model(name).patient(seed=1)
    witness = DbsWitness(patient)
    witness.sense(np.zeros(250, np.int32), 0, 0)
    assert math.isnan(witness.envelope_uv)
    witness.listening = True
    witness.sense(np.full(50, 1000, np.int32), 60, 7690)
    assert witness.envelope_uv == pytest.approx(patient.envelope_uv.mean())
    assert witness.time_on == 1.0
