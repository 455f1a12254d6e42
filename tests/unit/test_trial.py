"""Trials: what a file may ask for, what the arms do, how cells are counted and kept."""

from __future__ import annotations

import errno
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stimloop.group import Group
from stimloop.step import Step
from stimloop_dsp import Quality, Reading
from stimloop_hw import Block
from stimloop_hw.messages import Status
from stimloop_hw.program import Mode, Program
from stimloop_hw.vocabulary import Refusal, SensedFlag
from stimloop_lab import results, trial, trial_report
from stimloop_lab.arms import Control
from stimloop_lab.controls import Follower, RandomDuty
from stimloop_lab.dbs import DbsBaseline, DbsGathering, DbsOutcome
from stimloop_lab.grid import Grid
from stimloop_lab.ledger import Ledger
from stimloop_lab.measures import measures
from stimloop_lab.therapies import THERAPIES
from stimloop_lab.trial import TrialError

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "trials"
TEXT = """\
schema = 1
name = "test"
seeds = 2
durations_s = [2]
[calibration]
seconds = 20
[[patients]]
name = "default"
[[patients]]
name = "default"
label = "other"
parameters = { peak_hz = 21.0 }
[[arms]]
name = "adaptive"
prescription = "../dbs_adaptive.toml"
threshold_percentile = 50
[[arms]]
name = "sham"
kind = "sham"
of = "adaptive"
[[arms]]
name = "yoked"
kind = "yoked"
of = "adaptive"
[[arms]]
name = "random"
kind = "random_duty"
of = "adaptive"
duty = 0.3
"""
BLINDED = TEXT.replace("[calibration]", "[blinding]\nseed = 3\n[calibration]")
PROGRAM = Program(
    mode=Mode.TRAIN,
    amplitude_min_ua=0,
    amplitude_max_ua=3000,
    width_us=60,
    period_min_us=7690,
    period_max_us=7690,
    slew_ua_s=12_000,
    fallback_ua=0,
    cathodes=2,
    anodes=1 << 15,
    interphase_us=30,
    recharge_ratio=1,
)
BASELINE = DbsBaseline({20.0: 1.0, 50.0: 2.0, 75.0: 3.0}, 4.0)
DBS = THERAPIES["dbs"]
READING = Reading(0, 0, 1.0, active=False, active_ms=0)


def load(text: str = TEXT) -> trial.Trial:
    return trial.loads(text, EXAMPLES)


def test_a_grid_has_every_combination_once() -> None:
    grid = Grid(load())
    assert len(grid.places) == len({place.key for place in grid.places}) == 2 * 4 * 2
    assert len(grid.rests) == 2, "arms of one detector share a calibration"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("seeds = 2", "seeds = 0", "seeds: asked 0, allowed 1 or more"),
        ("seeds = 2", "seeds = 90000", "at most 100000 cells"),
        ("durations_s = [2]", "durations_s = []", "durations_s: asked none"),
        ("durations_s = [2]", "durations_s = [-2]", "allowed more than 0"),
        ("durations_s = [2]", "durations_s = [2, 2.0]", "remove the repetition"),
        ("durations_s = [2]", "durations_s = [1e9]", "or less"),
        ('name = "default"\n[[p', 'name = "defaults"\n[[p', "choose default"),
        ("peak_hz = 21.0", "peak_hz = 90.0", "peak_hz is 90"),
        ("peak_hz = 21.0", "peek_hz = 20.0", "write peak_hz, if that is meant"),
        ('label = "other"', 'label = "a/b"', "1 to 40 letters"),
        ('label = "other"', "", "patients.default: asked the name twice"),
        ('label = "other"', 'cohort = "dbs"', "the name of one patient, or a cohort"),
        ('name = "default"\nlabel = "other"', 'cohort = "dbz"\ncount = 2', "choose dbs"),
        ('name = "default"\nlabel = "other"', 'cohort = "dbs"', "a count above 0"),
        (
            'of = "adaptive"\n[[arms]]\nname = "y',
            'of = "adaptve"\n[[arms]]\nname = "y',
            "adaptive",
        ),
        ('kind = "sham"', 'kind = "shame"', "'sham'"),
        ("duty = 0.3", "duty = 1.5", "duty"),
        ("duty = 0.3", "", "arms.random.duty: asked nothing"),
        ("dbs_adaptive", "dbs_adaptve", "No such file"),
        ("threshold_percentile = 50", 'override.controller.kind = "onoff"', "write on_off"),
        ("threshold_percentile = 50", "lower_percentile = 50", "give threshold_percentile"),
        ("seeds = 2", 'seeds = 2\ndevice = "dbz"', "write dbs, if that is meant"),
        ("seeds = 2", 'seeds = 2\nreference = "adaptiv"', "write adaptive, if that is meant"),
        ("seeds = 2", "sedes = 2", "write seeds, if that is meant"),
        ("seconds = 20", "seconds = 20\nseed = 1", "so that no threshold knows the noise"),
        ("schema = 1", "schema = 2", "schema 2 is newer than this stimloop"),
        ("schema = 1", "schema = 1\n[[", "not TOML"),
    ],
)
def test_what_is_impossible_is_refused_in_words(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(TrialError) as refused:
        load(TEXT.replace(old, new, 1))
    assert told in str(refused.value)
    assert str(refused.value).startswith("the trial is refused for")


def test_a_cohort_is_drawn_from_its_seed() -> None:
    drawn = TEXT.replace(
        'name = "default"\nlabel = "other"', 'cohort = "dbs"\ncount = 3\nseed = 7'
    )
    patients = load(drawn).patients
    assert [patient.label for patient in patients] == [
        "default",
        "dbs-7-0",
        "dbs-7-1",
        "dbs-7-2",
    ]
    assert len({patient.model.suppression_per_s for patient in patients}) == 4
    assert all(patient.model.peak_hz == 21.0 for patient in patients[1:])


def test_one_patient_in_one_life_has_nobody_to_be_yoked_to() -> None:
    alone = TEXT.replace("seeds = 2", "seeds = 1")
    begin, end = alone.index('[[patients]]\nname = "default"\nlabel'), alone.index("[[arms]]")
    with pytest.raises(TrialError, match="add a patient or a seed"):
        load(alone[:begin] + alone[end:])


def test_a_percentile_becomes_the_threshold_of_the_prescription() -> None:
    arm = load().arms[0]
    asked = DBS.prescription(arm, DbsBaseline({50.0: 2.5}, 4.0))
    assert asked.detector.threshold_uv == 2.5
    assert asked.capture is None


def test_a_control_of_a_loop_on_the_device_is_decided_by_the_host() -> None:
    on_device = "threshold_percentile = 50\noverride.controller = { where = 'device' }"
    therapy, sham, *_ = load(TEXT.replace("threshold_percentile = 50", on_device, 1)).arms
    assert DBS.prescription(therapy).controller.where == "device"
    assert DBS.prescription(sham, on_host=True).controller.where == "host"


def test_an_override_changes_a_key_and_another_controller_replaces_the_table() -> None:
    text = TEXT.replace(
        "threshold_percentile = 50",
        "threshold_percentile = 50\nlower_percentile = 20\n"
        "override.stimulation.amplitude_ma = 2.5\n"
        'override.controller = { kind = "dual_threshold" }',
        1,
    )
    asked = DBS.prescription(load(text).arms[0], BASELINE)
    assert asked.stimulation.amplitude_ma == 2.5
    assert asked.stimulation.rate_hz == 130.0
    assert asked.controller.kind == "dual_threshold"
    assert asked.detector.lower_uv == 1.0


def test_a_yoked_cell_gets_another_patients_life() -> None:
    grid = Grid(load())
    baselines = dict.fromkeys(grid.rests, BASELINE)
    cells = [grid.cell(place, baselines) for place in grid.places]
    yoked = [cell for cell in cells if cell.arm.control is Control.YOKED]
    assert yoked
    assert all(cell.donor.patient != cell.subject.patient for cell in yoked)
    assert all(cell.donor.seed != cell.subject.seed for cell in cells if cell in yoked)


def test_arms_of_a_patient_share_its_noise_and_patients_share_none() -> None:
    grid = Grid(load())
    cells = [grid.cell(place, dict.fromkeys(grid.rests, BASELINE)) for place in grid.places]
    lives = {(cell.subject.patient.label, cell.subject.seed) for cell in cells}
    assert len(lives) == 4
    assert len({seed for _, seed in lives}) == 4
    rests = {rest.seed for rest in grid.rests.values()}
    assert len(rests) == 2
    assert rests.isdisjoint(seed for _, seed in lives), "a calibration never knows a cell"


def test_a_random_duty_cycle_keeps_its_duty_and_its_mean() -> None:
    controller = RandomDuty(duty=0.3, mean_on_s=1.0, seed=5)
    controller.control(None, PROGRAM, 20_000, 0.0, 0.0)  # type: ignore[arg-type]  # unread
    readings = [replace(READING, t_us=20_000 * n) for n in range(500_000)]
    on = np.array([controller.update(reading).amplitude_ua > 0 for reading in readings])
    assert on.mean() == pytest.approx(0.3, abs=0.02)
    begins = np.count_nonzero(np.diff(on.astype(int)) > 0)
    # A period shorter than a tick is not seen.
    assert on.sum() * 0.02 / begins == pytest.approx(1.0, rel=0.06)
    controller.reset()
    again = [controller.update(reading).amplitude_ua > 0 for reading in readings[:1000]]
    assert again == on[:1000].tolist(), "a reset draws the same"
    controller.reset()
    seldom = [controller.update(reading).amplitude_ua > 0 for reading in readings[::5]]
    assert np.mean(seldom) == pytest.approx(0.3, abs=0.02), "it goes by time, not by ticks"


def test_a_follower_wants_nothing_until_it_is_told() -> None:
    follower = Follower()
    follower.control(None, PROGRAM, 20_000, 0.0, 0.0)  # type: ignore[arg-type]  # unread
    assert follower.update(READING).amplitude_ua == 0
    follower.want(1500)
    assert follower.update(READING).amplitude_ua == 1500
    assert follower.update(READING).period_us == 7690
    follower.reset()
    assert follower.update(READING).amplitude_ua == 0


def gathered(levels: list[float], amplitudes_ua: list[int]) -> DbsOutcome:
    """What a loop with these levels and orders comes to."""
    gathering = DbsGathering(20_000, burst_uv=3.0, setpoint_uv=1.0)
    gathering.event(0, 0, "operator", text="start")
    for at, (level, ua) in enumerate(zip(levels, amplitudes_ua, strict=True)):
        flags = SensedFlag.STIM.value if ua else 0
        t_us = 20_000 * (at + 1)
        gathering.sensed(Block(5 * at, t_us, 1, 5, flags, bytes(20), 0))
        gathering.step(
            Step(at, t_us, level, False, 0, Quality.OK.value, ua, 7690, ua, 7690, 0, at % 2)
        )
    gathering.event(0, 0, "refused", code=Refusal.EXPIRED)
    gathering.event(0, 0, "refused", code=Refusal.BUSY)
    return outcome(gathering)


def outcome(gathering: DbsGathering) -> DbsOutcome:
    """What these counts come to, beside a patient who was not watched."""
    return DbsOutcome(
        **gathering.delivery(Group(0, (PROGRAM,)), math.nan),
        **gathering.bursting(),
        envelope_uv=math.nan,
        envelope_ratio=math.nan,
    )


def test_an_outcome_counts_what_was_done() -> None:
    # A minute: half of it on; a burst of 200 ms and one of 800 ms; level otherwise 2.
    levels = [2.0] * 3000
    levels[100:110] = [4.0] * 10
    levels[500:540] = [4.0] * 40
    amplitudes = ([3000] * 750 + [0] * 750) * 2
    found = gathered(levels, amplitudes)
    assert found.bursts_per_s == pytest.approx(2 / 60)
    assert found.mean_burst_ms == pytest.approx(500)
    assert found.long_bursts == 0.5
    assert found.long_per_min == pytest.approx(1)
    assert found.mean_error == pytest.approx((2950 * 1 + 50 * 3) / 3000)
    assert found.switches_per_min == 4
    assert found.chattering_per_min == 2
    assert (found.orders, found.refused, found.stale) == (1500, 2, 1)
    assert math.isnan(found.teed_uw), "without a status nobody knows"


def test_what_comes_before_therapy_is_no_outcome() -> None:
    gathering = DbsGathering(20_000, burst_uv=3.0, setpoint_uv=1.0)
    gathering.sensed(Block(0, 20_000, 1, 5, SensedFlag.STIM.value, bytes(20), 3))
    gathering.step(Step(0, 20_000, 9.0, False, 0, 0, 3000, 7690, 3000, 7690, 0, 1))
    found = outcome(gathering)
    assert found.orders == found.lost_samples == 0
    assert math.isnan(found.mean_error)


def status(t_us: int, delivered_nc: int, i2t: int) -> Status:
    """A Status that says so much."""
    values: dict[str, Any] = dict.fromkeys(Status.__dataclass_fields__, 0)
    values |= {"t_us": t_us, "delivered_nc": delivered_nc, "i2t_ua2_us": i2t, "others": b""}
    return Status(**values)


def test_energy_is_that_of_the_devices_own_counters() -> None:
    gathering = DbsGathering(20_000, burst_uv=3.0, setpoint_uv=1.0)
    gathering.status(0, status(0, 0, 0))
    gathering.event(0, 0, "operator", text="start")
    for at in range(100):
        gathering.step(Step(at, 20_000 * (at + 1), 1.0, False, 0, 0, 0, 7690, 0, 7690, 0, 0))
    pulses = 2_000_000 / 7690
    gathering.status(99, status(2_000_000, 0, round(3000**2 * 60 * pulses)))
    gathering.status(100, status(2_500_000, 0, 10**15))  # the ramp down is no therapy
    found = outcome(gathering)
    assert found.teed_ratio == pytest.approx(1.0, rel=1e-6)
    assert found.teed_uw == pytest.approx(3000**2 * 60 / 7690 * 500 / 1e6, rel=1e-6)


def outcome_of(value: float) -> DbsOutcome:
    return _outcome({m.name: value for m in measures(DbsOutcome)})


def _outcome(values: dict[str, Any]) -> DbsOutcome:
    whole = {m.name for m in measures(DbsOutcome) if m.whole}
    return DbsOutcome(**{name: int(v) if name in whole else v for name, v in values.items()})


def test_a_paired_difference_forgets_what_patients_differ_in() -> None:
    found = load()
    grid = Grid(found)
    rng = np.random.default_rng(1)
    own = {(p.label, s): rng.normal(10, 5) for p in found.patients for s in found.seeds}
    outcomes = {
        place.key: outcome_of(
            own[place.patient.label, place.seed] + (place.arm.control is Control.SHAM)
        )
        for place in grid.places
    }
    table = results.table(found, grid, outcomes)
    (told,) = results.tables(found, grid, table)["durations"]
    difference = told["differences"]["sham"]["teed_uw"]
    assert difference["mean"] == pytest.approx(1.0)
    assert difference["low"] == pytest.approx(1.0)
    assert difference["high"] == pytest.approx(1.0)
    assert told["arms"]["sham"]["teed_uw"]["low"] < told["arms"]["sham"]["teed_uw"]["high"]


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(500):
        _, low, high = results.interval(rng.normal(0, 1, (1, 100)))
        hits += low <= 0 <= high
    assert 0.92 <= hits / 500 <= 0.98


def test_the_interval_knows_that_seeds_of_one_patient_are_alike() -> None:
    patients = np.repeat(np.random.default_rng(2).normal(0, 1, (6, 1)), 50, axis=1)
    _, low, high = results.interval(patients)
    _, flat_low, flat_high = results.interval(patients.reshape(1, -1))
    assert high - low > 3 * (flat_high - flat_low)


def test_what_is_not_known_has_no_interval() -> None:
    assert all(map(math.isnan, results.interval(np.full((2, 2), math.nan))))
    mean, low, _ = results.interval(np.array([[1.0, math.nan]]))
    assert mean == 1.0
    assert math.isnan(low)


def test_a_mean_that_is_but_what_rounding_left_is_shown_as_zero() -> None:
    told = {"mean": 4e-17, "low": -1 / 3, "high": 2 / 3}
    assert trial_report._shown(told, 100.0) == "0 (-33.3 to 66.7)"
    assert trial_report._shown(told | {"mean": 1e-3}, 100.0) == "0.100 (-33.3 to 66.7)"


def test_a_blinded_table_names_no_arm_and_keeps_each_patients_order() -> None:
    found = load(BLINDED)
    grid = Grid(found)
    outcomes = {place.key: outcome_of(1.0) for place in grid.places}
    table = results.table(found, grid, outcomes)
    names = {arm.name for arm in found.arms}
    assert names.isdisjoint(table["arm"].to_pylist())
    periods = np.array(table["period"].to_pylist()).reshape(4, 4)
    assert (periods == [1, 2, 3, 4]).all()
    orders = np.array(table["arm"].to_pylist()).reshape(4, 4)
    assert len({tuple(order) for order in orders}) > 1
    assert all(set(order) == set(orders[0]) for order in orders)
    blind = results.tables(found, grid, table)
    assert names.isdisjoint(blind["durations"][0]["arms"])
    seen = results.tables(found, grid, table, unblind=True)
    assert names == set(seen["durations"][0]["arms"])


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[[str], Ledger]:
    def open_ledger(text: str = TEXT) -> Ledger:
        found = load(text)
        return Ledger(tmp_path / "out", found, Grid(found))

    return open_ledger


def test_what_is_kept_comes_back_bit_for_bit(ledger: Callable[..., Ledger]) -> None:
    first = ledger()
    key = Grid(load()).places[3].key
    kept = _outcome(
        {m.name: math.pi * 1e-9 * (n + 1) for n, m in enumerate(measures(DbsOutcome))}
    )
    first.keep_outcome(key, kept)
    first.keep_baseline("rest~default~0", BASELINE)
    again = ledger()
    assert again.outcomes == {key: kept}
    assert again.baselines == {"rest~default~0": BASELINE}


def test_a_cell_that_was_half_written_is_not_there(
    ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    ledger()
    key = Grid(load()).places[0].key
    (tmp_path / "out" / "cells" / f"{key}.part").write_text('{"time_on": 0.')
    assert ledger().outcomes == {}


def test_another_trial_is_not_mixed_in(ledger: Callable[..., Ledger]) -> None:
    ledger()
    with pytest.raises(TrialError, match="holds another trial"):
        ledger(TEXT.replace("peak_hz = 21.0", "peak_hz = 22.0"))


def test_another_build_is_not_mixed_in(ledger: Callable[..., Ledger], tmp_path: Path) -> None:
    ledger()
    path = tmp_path / "out" / "trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"build": "0"}))
    with pytest.raises(TrialError, match="cells of another build"):
        ledger()


def test_a_full_disk_is_told_and_leaves_what_is_finished(
    ledger: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(load())
    first = ledger()
    first.keep_outcome(grid.places[0].key, outcome_of(1.0))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stimloop_lab.ledger.os.fsync", full)
    with pytest.raises(TrialError, match="No space left on device") as refused:
        first.keep_outcome(grid.places[1].key, outcome_of(1.0))
    assert "finished cells are kept" in str(refused.value)
    monkeypatch.undo()
    assert list(ledger().outcomes) == [grid.places[0].key]
