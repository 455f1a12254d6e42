"""Tissues, the lead's condition, and what the lead picks up beside the biomarker."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from tests.peer import DBS, Hand

from stimloop_dsp import MISSING
from stimloop_hw.messages import Sensed, StreamConfig
from stimloop_hw.program import CASE
from stimloop_hw.vocabulary import SensedFlag
from stimloop_sim._electrode import Interface
from stimloop_sim._pickup import Pickup
from stimloop_sim.bench import Bench
from stimloop_sim.disturbances import DISTURBANCES, Artefact, Dropout, Heart, Mains, Movement
from stimloop_sim.lead import SensingLead
from stimloop_sim.tissue import GROWTH_US, RING_UM2, Condition, Tissue, TissueModel, names

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop_sim.disturbances import Disturbance

DEFAULT = TissueModel.named("default")
FS_HZ = 250
ARTEFACT = Artefact(
    uv_per_ma=5000, decay_us=1000, rejection_db=50, blanking_us=2000, lowpass_hz=(100, 1700)
)


def disturbed(**tables: Disturbance) -> TissueModel:
    """The default tissue with these disturbances."""
    return replace(DEFAULT, disturbances=tables)


def sensed_uv(
    model: TissueModel, samples: int, *, seed: int = 0, base_uv: float = 0.0, fs_hz: int = FS_HZ
) -> np.ndarray:
    """What a lead at rest picks up beside a constant."""
    block = np.full((samples, 1), base_uv)
    Tissue(model, DBS.output).pickup(fs_hz, 1, seed).add(block)
    return block[:, 0]


# Tissues ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_tissue_loads_and_its_disturbances_are_in_range(name: str) -> None:
    model = TissueModel.named(name)
    highest_ohm = 5000 if name == "grown" else 1500
    assert 500 <= model.series_ohm + model.case_ohm <= highest_ohm
    assert set(model.disturbances) <= set(DISTURBANCES)
    artefact = model.disturbances.get("artefact")
    if isinstance(artefact, Artefact):
        assert 5000 <= 3 * artefact.uv_per_ma <= 50_000
        assert 500 <= artefact.decay_us <= 2000
        assert 40 <= artefact.rejection_db <= 60
        assert 0 <= artefact.blanking_us <= 2500
    heart = model.disturbances.get("ecg")
    if isinstance(heart, Heart):
        assert heart.leak_permille <= 300


def test_a_quarter_of_the_area_is_twice_the_resistance_and_a_quarter_of_the_capacitance() -> (
    None
):
    areas_um2 = (RING_UM2 // 4 * 4, RING_UM2 // 4)
    ring, quarter, _ = Tissue(DEFAULT, replace(DBS.output, areas_um2=areas_um2)).cells
    assert ring.series_ohm == pytest.approx(DEFAULT.series_ohm)
    assert quarter.series_ohm == pytest.approx(2 * ring.series_ohm)
    assert quarter.capacitance_f == pytest.approx(ring.capacitance_f / 4)
    assert quarter.leak_ohm == pytest.approx(4 * ring.leak_ohm)


def test_an_unknown_tissue_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'artefact'"):
        TissueModel.named("artifact")
    with pytest.raises(ValueError, match="known are: artefact, default"):
        Bench.of_url("sim://dbs?tissue=xyz")


def test_a_disturbance_with_an_unknown_key_is_refused() -> None:
    table = {
        "electrode": {
            "series_ohm": 900,
            "capacitance_nf_cm2": 1,
            "leak_ohm_cm2": 1,
            "exchange_pa_cm2": 1,
        },
        "case": {"series_ohm": 100, "area_um2": 1},
        "mains": {"mains_mv": 1},
    }
    with pytest.raises(TypeError, match="mains_mv"):
        TissueModel.of(table)


def test_encapsulation_raises_the_resistance_along_its_exponential() -> None:
    model = replace(DEFAULT, rise_permille=500, rise_s=600)
    tissue = Tissue(model, DBS.output)
    path = tissue.path()
    tissue.connect(path, 0b0010, CASE)
    assert tissue.due_us == GROWTH_US
    tissue.grow(599_999_999)
    tissue.grow(600_000_000)
    path.pulse(600_000_000, 1000, 100, 60, 30, 1)
    assert path.load_ohm == pytest.approx(900 * (1 + 0.5 * (1 - math.exp(-1))) + 100)
    assert tissue.due_us == 600_000_000 + GROWTH_US
    assert Tissue(DEFAULT, DBS.output).due_us > 1 << 60


@pytest.mark.parametrize(
    ("condition", "contacts"),
    [
        (Condition.OPEN, ()),
        (Condition.OPEN, (5,)),
        (Condition.SHORT, (1,)),
        (Condition.SHORT, (1, 1)),
        (Condition.REFERENCE_LOST, (4,)),
    ],
)
def test_a_condition_that_cannot_be_is_refused(
    condition: Condition, contacts: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 4 \(the case\)"):
        Tissue(DEFAULT, DBS.output).apply(0, condition, *contacts)


# Artefact --------------------------------------------------------------------------------


@pytest.mark.parametrize("blanking_us", [0, 1500])
@pytest.mark.parametrize("fs_hz", [250, 1000])
def test_the_artefact_is_an_exponential_behind_two_poles(blanking_us: int, fs_hz: int) -> None:
    artefact = replace(ARTEFACT, blanking_us=blanking_us)
    tissue = Tissue(disturbed(artefact=artefact), DBS.output)
    path = tissue.path()
    tissue.connect(path, 0b0010, CASE)
    pickup = tissue.pickup(fs_hz, 1, 0)
    path.pulse(700, 3000, 100, 60, 30, 1)
    block = np.zeros((20, 1))
    pickup.add(block)

    fast, slow = 2 * np.pi * 1700, 2 * np.pi * 100
    flow = np.array([[-1000.0, 0.0, 0.0], [slow, -slow, 0.0], [0.0, fast, -fast]])
    start_uv = 15_000 * 10 ** (-50 / 20) * math.exp(-blanking_us / 1000)
    assert 20 < 15_000 * 10 ** (-50 / 20) < 500
    for k, value in enumerate(block[:, 0]):
        since_s = (k + 1) / fs_hz - (700 + blanking_us) * 1e-6
        expected = (expm(flow * since_s) @ [start_uv, 0, 0])[2] if since_s > 0 else 0.0
        assert value == pytest.approx(expected, abs=1e-6)


def test_a_blanked_sample_is_the_one_before_the_pulse() -> None:
    artefact = replace(ARTEFACT, uv_per_ma=1)
    tissue = Tissue(disturbed(artefact=artefact), DBS.output)
    path = tissue.path()
    tissue.connect(path, 0b0010, CASE)
    pickup = tissue.pickup(FS_HZ, 1, 0)
    path.pulse(11_000, 1000, 100, 60, 30, 1)
    block = np.arange(6.0)[:, None]
    block[3] = np.nan
    pickup.add(block)
    assert np.nanmax(np.abs(block[:, 0] - [0, 1, 1, np.nan, 4, 5])) < 0.01
    assert np.isnan(block[3, 0])


def test_without_a_pulse_there_is_no_artefact_and_a_reduced_pulse_makes_less_of_it() -> None:
    peaks = []
    for ua in (0, 25_000):
        tissue = Tissue(disturbed(artefact=ARTEFACT), DBS.output)
        path = tissue.path()
        tissue.connect(path, 0b0010, CASE)
        pickup = tissue.pickup(FS_HZ, 1, 0)
        path.pulse(0, ua, 100, 60, 30, 1)
        block = np.zeros((5, 1))
        pickup.add(block)
        peaks.append(np.abs(block).max() / max(path.delivered_ua, 1))
    assert path.delivered_ua < path.asked_ua
    assert peaks[0] == 0
    per_ua = 5.0 * 10 ** (-50 / 20)
    assert 0 < peaks[1] < per_ua


# The rest of what is picked up -------------------------------------------------------------


def test_the_heart_beats_at_its_rate_with_its_leak() -> None:
    uv = sensed_uv(disturbed(ecg=Heart(100, 300, 60, 20)), 60 * 1000, fs_hz=1000)
    assert uv.max() == pytest.approx(30.0, rel=0.02)
    beats = np.flatnonzero((uv[1:-1] > 20) & (uv[1:-1] >= uv[:-2]) & (uv[1:-1] > uv[2:]))
    gaps_s = np.diff(beats) / 1000
    assert 57 <= len(beats) <= 63
    assert 0.01 < gaps_s.std() < 0.04


def test_mains_stays_at_its_frequency_for_ever() -> None:
    uv = sensed_uv(disturbed(mains=Mains(2, 60)), 250 * 40)
    spectrum = np.abs(np.fft.rfft(uv)) / len(uv) * 2
    assert np.argmax(spectrum) == 60 * 40
    assert spectrum.max() == pytest.approx(2.0)


def test_movement_steps_and_is_forgotten() -> None:
    uv = sensed_uv(disturbed(movement=Movement(12, 60, 300)), 250 * 60)
    steps = np.flatnonzero(np.abs(np.diff(uv)) > 5)
    assert 4 <= len(steps) <= 24
    assert 0 in uv[:250]
    quiet = np.diff(steps, prepend=0, append=len(uv)).argmax()
    begin = [0, *steps][quiet] + 1
    kept = uv[begin + 1] / uv[begin] if uv[begin] else math.exp(-1 / 75)
    assert kept == pytest.approx(math.exp(-1 / 75))


def test_dropouts_are_missing_samples_of_their_length() -> None:
    uv = sensed_uv(disturbed(dropout=Dropout(6, 100)), 250 * 120)
    gone = np.isnan(uv)
    begins = np.flatnonzero(np.diff(gone.astype(int)) == 1)
    assert 4 <= len(begins) <= 24
    assert gone.sum() == 25 * len(begins)


@pytest.mark.parametrize("name", [name for name in names() if name != "default"])
def test_the_seed_decides_what_is_random_and_the_default_tissue_adds_nothing(name: str) -> None:
    runs = [sensed_uv(TissueModel.named(name), 5000, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1], equal_nan=True)
    random = set(TissueModel.named(name).disturbances) & {"ecg", "movement", "dropout"}
    assert np.array_equal(runs[0], runs[2], equal_nan=True) is not bool(random)
    assert np.array_equal(sensed_uv(DEFAULT, 100, base_uv=7.25), np.full(100, 7.25))


def test_channels_of_one_front_end_pick_up_the_same() -> None:
    pickup = Tissue(TissueModel.named("hostile"), DBS.output).pickup(FS_HZ, 3, 5)
    block = np.zeros((2000, 3))
    block[:, 1] = 10.0
    pickup.add(block)
    assert np.array_equal(block[:, 0], block[:, 2], equal_nan=True)
    assert np.nanmax(np.abs(block[:, 1] - block[:, 0] - 10.0)) < 1e-9


def test_a_pickup_refuses_what_it_cannot_take() -> None:
    with pytest.raises(ValueError, match="0 channels"):
        Pickup(Interface(2, 0.0), FS_HZ, 0)
    pickup = Pickup(Interface(2, 0.0), FS_HZ, 2)
    blocks: list[Any] = [np.zeros((5, 1)), np.zeros(5), np.zeros((5, 2), np.float32)]
    for block in blocks:
        with pytest.raises(ValueError, match="with 2 columns"):
            pickup.add(block)
    with pytest.raises(ValueError, match="1 to 1000"):
        pickup.hum([], 1.0)
    with pytest.raises(ValueError, match="3 modes"):
        pickup.couple(1.0, 0, [1.0], [1.0])
    with pytest.raises(ValueError, match="1024 values"):
        pickup.beat(np.random.default_rng(0), 1.0, 0.0, [0.0], 0.0, 1.0)


def test_pulses_that_nobody_sensed_are_forgotten_but_for_the_latest() -> None:
    tissue = Tissue(disturbed(artefact=replace(ARTEFACT, blanking_us=0)), DBS.output)
    path = tissue.path()
    tissue.connect(path, 0b0010, CASE)
    pickup = tissue.pickup(FS_HZ, 1, 0)
    for k in range(5000):
        path.pulse(k * 1000, 1000, 100, 60, 30, 1)
    block = np.zeros((1250, 1))
    pickup.add(block)
    assert np.isfinite(block).all()


# The whole implant -------------------------------------------------------------------------


def implant(url: str) -> Hand:
    """A host with a stream and a therapy of 2 mA."""
    hand = Hand.linked(Bench.of_url(url).firmware)
    front_end = hand.firmware.front_end
    assert hand.exchange(hand.framed(StreamConfig(1, front_end.source.fs_hz, front_end.block)))
    hand.begin()
    assert hand.setpoint(1000, 7690) is None
    return hand


def samples_of(hand: Hand) -> np.ndarray:
    blocks = hand.told(Sensed)
    return np.concatenate([np.frombuffer(block.samples_nv, "<i4") for block in blocks])


@pytest.mark.parametrize("name", names())
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 23), min_size=1, max_size=8), st.sampled_from([250, 1000]))
def test_any_split_of_time_gives_the_same_samples_in_every_tissue(
    name: str, splits: list[int], fs_hz: int
) -> None:
    whole, split = (implant(f"sim://dbs?seed=3&tissue={name}&fs={fs_hz}") for _ in "ab")
    whole.firmware.advance(120)
    left, turn = 120, 0
    while left:
        part = min(left, splits[turn % len(splits)])
        split.firmware.advance(part)
        left, turn = left - part, turn + 1
    assert np.array_equal(samples_of(whole), samples_of(split))


def test_the_default_tissue_is_no_tissue_for_the_samples() -> None:
    plain = Bench.of_url("sim://dbs?seed=3").firmware
    named = Bench.of_url("sim://dbs?seed=3&tissue=default").firmware
    bare = Bench.of_url("sim://dbs?seed=3").firmware
    lead = bare.front_end.source
    assert isinstance(lead, SensingLead)
    bare.front_end.source = lead.source
    runs = []
    for firmware in (plain, named, bare):
        hand = Hand.linked(firmware)
        hand.exchange(hand.framed(StreamConfig(1, 250, 5)))
        firmware.advance(250)
        runs.append(samples_of(hand).tolist())
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize(
    ("condition", "contacts", "flags", "flat"),
    [
        (Condition.OPEN, (0,), SensedFlag.SATURATED, False),
        (Condition.OPEN, (2,), SensedFlag.SATURATED, False),
        (Condition.REFERENCE_LOST, (), SensedFlag.SATURATED, False),
        (Condition.SHORT, (0, 2), SensedFlag(0), True),
        (Condition.OPEN, (3,), SensedFlag(0), False),
    ],
)
def test_a_damaged_sensing_lead_saturates_or_is_silent(
    condition: Condition, contacts: tuple[int, ...], flags: SensedFlag, flat: bool
) -> None:
    firmware = Bench.of_url("sim://dbs?seed=3").firmware
    hand = Hand.linked(firmware)
    hand.exchange(hand.framed(StreamConfig(1, 250, 5)))
    firmware.advance(250)
    hand.told(Sensed)
    firmware.tissue.apply(firmware.now_us, condition, *contacts)
    firmware.advance(250)
    blocks = hand.told(Sensed)
    assert {block.flags & SensedFlag.SATURATED for block in blocks} == {flags}
    samples = np.concatenate([np.frombuffer(block.samples_nv, "<i4") for block in blocks])
    assert bool(np.ptp(samples) == 0) is flat
    firmware.tissue.repair(firmware.now_us)
    firmware.advance(250)
    assert not any(block.flags for block in hand.told(Sensed))


def test_a_recording_is_disturbed_under_a_seed_as_well(tmp_path: Path) -> None:
    path = tmp_path / "silence.npy"
    np.save(path, np.zeros(2500))
    runs = []
    for seed in (1, 2):
        url = f"sim://dbs?recording={path}&rate=250&tissue=hostile&seed={seed}"
        hand = Hand.linked(Bench.of_url(url).firmware)
        hand.exchange(hand.framed(StreamConfig(1, 250, 5)))
        hand.firmware.advance(250)
        runs.append(samples_of(hand))
    assert not np.array_equal(runs[0], runs[1])
    assert all(np.abs(run[run != MISSING]).max() > 0 for run in runs)
