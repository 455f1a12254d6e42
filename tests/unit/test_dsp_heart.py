import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from benchmarks.validation.heart import score, synthetic_ecg
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import MISSING, Detector, Quality, Reading
from stimloop_dsp._heart import RPeaks, TachycardiaDetector
from stimloop_dsp.heart import Beat

Block = npt.NDArray[np.int32]


def block_nv(samples_uv: npt.NDArray[np.float64]) -> Block:
    return np.round(1000 * samples_uv).astype(np.int32)[:, None]


def found(samples_uv: npt.NDArray[np.float64], fs_hz: float) -> list[Beat]:
    return RPeaks(fs_hz).push(block_nv(samples_uv), 0)


@pytest.mark.parametrize("fs_hz", [200, 250, 256, 360, 500, 1000])
@pytest.mark.parametrize("bpm", [40, 72, 120, 180, 220])
def test_every_beat_is_found_once_at_its_r_wave(fs_hz: int, bpm: int) -> None:
    samples_uv, truth = synthetic_ecg(fs_hz, [60_000 / bpm] * (bpm // 2), seed=bpm)
    result = score(found(samples_uv, fs_hz), truth, fs_hz)
    assert (result.missed, result.extra) == (0, 0)
    # At the highest rate the waves run into one another in the pass band.
    assert result.median_ms <= (40 if bpm == 220 else 10)


def test_polarity_does_not_matter() -> None:
    samples_uv, truth = synthetic_ecg(250, [800] * 60)
    one, other = found(samples_uv, 250), found(-samples_uv, 250)
    assert [b.index for b in one] == [b.index for b in other]
    assert score(other, truth, 250).missed == 0


def test_t_waves_as_tall_as_the_r_waves_are_no_beats() -> None:
    samples_uv, truth = synthetic_ecg(250, [900] * 60, t_wave=1.0)
    result = score(found(samples_uv, 250), truth, 250)
    assert (result.missed, result.extra) == (0, 0)


def test_a_small_beat_is_found_by_searching_back() -> None:
    heights = [1.0] * 60
    heights[30] = 0.42
    samples_uv, truth = synthetic_ecg(250, [800] * 60, heights=heights, noise_uv=5)
    beats = found(samples_uv, 250)
    assert score(beats, truth, 250).missed == 0
    late = [b.told - b.index for b in beats[5:]]
    # 1.66 intervals after the beat before it, where the others are told at once.
    assert max(late) == late[25] >= 0.66 * 200


def test_thresholds_are_learned_anew_where_the_signal_shrinks_to_a_tenth() -> None:
    samples_uv, truth = synthetic_ecg(250, [800] * 100, noise_uv=1)
    samples_uv[len(samples_uv) // 2 :] /= 10
    result = score(found(samples_uv, 250), truth, 250)
    assert result.missed <= 14  # 8 s without a beat, 2 s of learning, and its edges
    assert result.extra == 0


def test_an_early_and_a_late_beat_are_told_and_not_valid() -> None:
    rr_ms = [800.0] * 20 + [400.0, 1200.0] + [800.0] * 20
    samples_uv, _ = synthetic_ecg(250, rr_ms)
    beats = found(samples_uv, 250)
    assert math.isnan(beats[0].rr_ms)
    invalid = [round(b.rr_ms, -2) for b in beats[1:] if not b.valid]
    assert invalid == [400, 1200]


def test_a_lasting_change_of_rhythm_becomes_valid_with_its_third_beat() -> None:
    samples_uv, _ = synthetic_ecg(250, [1000.0] * 20 + [450.0] * 20)
    beats = found(samples_uv, 250)
    fast = [b.valid for b in beats if b.rr_ms < 600]
    assert fast[:4] == [False, False, True, True]
    assert all(fast[2:])


def test_no_interval_spans_a_gap() -> None:
    samples_uv, _ = synthetic_ecg(250, [800.0] * 20)
    peaks = RPeaks(250)
    peaks.push(block_nv(samples_uv), 0)
    after = peaks.push(block_nv(samples_uv), 100_000)
    assert math.isnan(after[0].rr_ms)
    assert not after[0].valid
    assert after[0].index >= 100_000


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 4999), max_size=30), seed=st.integers(0, 99))
def test_beats_and_rates_are_the_same_however_the_signal_was_divided(
    cuts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples_uv, _ = synthetic_ecg(250, rng.uniform(350, 1100, 40).tolist(), seed=seed)
    block = block_nv(samples_uv)[:5000]
    block[rng.random(block.shape) < 0.01] = MISSING
    end = len(block)
    whole = [b.index for b in RPeaks(250).push(block, 0)]
    peaks, rate, alone = RPeaks(250), TachycardiaDetector(250), TachycardiaDetector(250)
    told, begin = [], 0
    readings = [alone.push(block[i : i + 1], i, 0) for i in range(end)]
    for cut in sorted({c for c in cuts if c < end} | {end}):
        told += [b.index for b in peaks.push(block[begin:cut], begin)]
        reading = rate.push(block[begin:cut], begin, 0)
        np.testing.assert_array_equal(rate.levels, [r.level for r in readings[begin:cut]])
        assert (reading.active, reading.active_ms) == (
            readings[cut - 1].active,
            readings[cut - 1].active_ms,
        )
        begin = cut
    assert told == whole


def rate_rules(beats: list[Beat], fs_hz: float, theta: float) -> list[tuple[int, bool]]:
    """Decision at each valid beat, from the rules, with whole histories."""
    heard: list[Beat] = []
    background = learned_ms = 0.0
    active, since, above, below, decisions = False, 0, 0, 0, []
    for beat in beats:
        if not beat.valid:
            continue
        if heard and beat.told - heard[-1].told > 10 * fs_hz:
            active, above, below, heard = False, 0, 0, []
        heard.append(beat)
        window = [b.rr_ms for b in heard if b.told >= beat.told - 10 * fs_hz]
        foreground = 60_000 / float(np.mean(window))
        if not active or beat.told - since > 3600 * fs_hz:
            learned_ms = min(learned_ms + beat.rr_ms, 300_000)
            background += beat.rr_ms / learned_ms * (60_000 / beat.rr_ms - background)
        if learned_ms >= 60_000:
            fast = foreground >= (1 + theta) * background and foreground >= 60
            above, below = (above + 1, 0) if fast else (0, below + 1)
            if above >= 3 and not active:
                active, since = True, beat.told
            elif below >= 3:
                active = False
        decisions.append((beat.told, active))
    return decisions


def day_of(seed: int) -> list[float]:
    """Rest, exertion and a seizure, by RR intervals."""
    rng = np.random.default_rng(seed)
    bpm = np.concatenate(
        [
            np.full(200, 70.0),
            np.linspace(70, 95, 100),
            np.full(100, 75.0),
            np.linspace(75, 150, 20),
            np.full(150, 150.0),
            np.linspace(150, 75, 150),
        ]
    )
    return list(60_000 / bpm * (1 + 0.03 * rng.standard_normal(len(bpm))))


@pytest.mark.parametrize("theta", [0.2, 0.4, 0.7])
def test_tachycardia_is_decided_by_the_published_rules(theta: float) -> None:
    samples_uv, _ = synthetic_ecg(250, day_of(1))
    block = block_nv(samples_uv)
    beats = RPeaks(250).push(block, 0)
    detector = TachycardiaDetector(250, theta)
    active = [detector.push(block[i : i + 1], i, 0).active for i in range(len(block))]
    wanted = rate_rules(beats, 250, theta)
    assert [active[told] for told, _ in wanted] == [decision for _, decision in wanted]
    assert 0 < sum(decision for _, decision in wanted) < len(wanted)


def test_without_beats_the_decision_ends_and_says_why() -> None:
    samples_uv, _ = synthetic_ecg(250, day_of(2)[:520])
    detector: Detector = TachycardiaDetector(250)
    before = detector.push(block_nv(samples_uv), 0, 0)
    assert before.active
    quiet = np.zeros((250, 1), np.int32)
    readings = [detector.push(quiet, len(samples_uv) + 250 * i, 0) for i in range(15)]
    assert readings[5].active
    assert not readings[-1].active
    assert readings[-1].quality & Quality.ARTEFACT
    assert readings[-1].active_ms == 0


def test_beats_of_a_pause_are_not_taken() -> None:
    samples_uv, _ = synthetic_ecg(250, [800.0] * 40)
    detector = TachycardiaDetector(250)
    detector.suspend(10_000)
    assert detector.push(block_nv(samples_uv), 0, 0).level == 0
    with pytest.raises(ValueError, match="0 or more"):
        detector.suspend(-1)


def test_it_warms_up_for_a_minute_and_can_forget() -> None:
    samples_uv, _ = synthetic_ecg(250, [800.0] * 100)
    block = block_nv(samples_uv)
    detector = TachycardiaDetector(250)
    told: list[Reading] = [
        detector.push(block[i : i + 250], i, 0) for i in range(0, len(block) - 250, 250)
    ]
    assert [bool(r.quality & Quality.WARMUP) for r in told[60:63]] == [True, True, False]
    assert told[-1].level == pytest.approx(75, abs=0.5)
    assert detector.background_bpm == pytest.approx(75, abs=0.5)
    detector.reset()
    assert detector.background_bpm == 0
    again = [detector.push(block[i : i + 250], i, 0) for i in range(0, len(block) - 250, 250)]
    assert again == told


@settings(max_examples=20)
@given(
    kind=st.sampled_from(["missing", "rails", "flat", "square", "noise", "steps"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_garbage_gives_no_impossible_rate(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 20_000
    if kind == "missing":
        block = rng.choice(np.array([MISSING, 1000], np.int32), n)
    elif kind == "rails":
        block = rng.choice(np.array([2**31 - 1, -(2**31) + 1, 0], np.int32), n)
    elif kind == "flat":
        block = np.full(n, rng.integers(-1_000_000, 1_000_000), np.int32)
    elif kind == "square":
        half = int(rng.integers(1, 400))
        block = np.where(np.arange(n) // half % 2, 500_000, -500_000).astype(np.int32)
    elif kind == "noise":
        block = (1e6 * rng.standard_normal(n)).astype(np.int32)
    else:
        block = np.cumsum(rng.integers(-9_000, 9_000, n)).astype(np.int32)
    detector = TachycardiaDetector(250)
    detector.push(block[:, None].copy(), 0, 0)
    rates = detector.levels
    assert np.all((rates == 0) | ((rates >= 20) & (rates <= 300)))


@pytest.mark.parametrize("wrong", [{"fs_hz": 100}, {"fs_hz": math.nan}, {"channel": -1}])
def test_r_waves_that_cannot_be_found_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="asked for"):
        RPeaks(**({"fs_hz": 250} | wrong))


@pytest.mark.parametrize("theta", [0.1, 0.8, math.nan])
def test_a_theta_outside_the_published_range_is_refused(theta: float) -> None:
    with pytest.raises(ValueError, match=r"0\.2 to 0\.7"):
        TachycardiaDetector(250, theta)


def test_wrong_blocks_are_refused() -> None:
    for detector in (RPeaks(250), TachycardiaDetector(250)):
        extra = () if isinstance(detector, RPeaks) else (0,)
        with pytest.raises(TypeError):
            detector.push(np.zeros((5, 1)), 0, *extra)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="shape"):
            detector.push(np.zeros(5, np.int32), 0, *extra)


def test_after_a_gap_the_time_since_the_decision_begins_anew() -> None:
    samples_uv, _ = synthetic_ecg(250, day_of(2)[:520])
    detector = TachycardiaDetector(250)
    before = detector.push(block_nv(samples_uv), 0, 0)
    assert before.active_ms > 1000
    after = detector.push(np.zeros((250, 1), np.int32), len(samples_uv) + 50, 0)
    assert after.quality & Quality.GAP
    assert after.active_ms == 1000
