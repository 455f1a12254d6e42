import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import BetaDetector, Quality
from stimloop_dsp._percentile import RunningPercentile
from stimloop_dsp.percentile import PercentileThresholds

FS_HZ = 250
WITHIN = 2 ** (1 / 48)  # width of a bin


@given(
    levels=st.lists(st.floats(2e-3, 1e4), min_size=1, max_size=300),
    window=st.integers(1, 100),
    percent=st.sampled_from([0.0, 10.0, 25.0, 50.0, 75.0, 99.0, 100.0]),
)
def test_it_is_the_percentile_of_the_window_to_within_a_bin(
    levels: list[float], window: int, percent: float
) -> None:
    running = RunningPercentile(window)
    for level in levels:
        running.update(level)
    last = levels[-window:]
    assert running.count == len(last)
    true = float(np.percentile(last, percent, method="inverted_cdf"))
    assert true / WITHIN <= running.percentile(percent) <= true * WITHIN


def test_levels_beyond_the_bins_are_nothing_or_infinite() -> None:
    running = RunningPercentile(2)
    assert math.isnan(running.percentile(50))
    running.update(0.0)
    running.update(math.inf)
    assert running.percentile(50) == 0.0
    assert running.percentile(100) == math.inf
    running.reset()
    assert running.count == 0


def test_bad_windows_levels_and_percentiles_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 10000000"):
        RunningPercentile(0)
    with pytest.raises(ValueError, match="NaN"):
        RunningPercentile(1).update(math.nan)
    with pytest.raises(ValueError, match="give 0 to 100"):
        RunningPercentile(1).percentile(101)


def noise_nv(rows: int, seed: int = 0, gain: float = 1.0) -> np.ndarray:
    return (1e4 * gain * np.random.default_rng(seed).standard_normal((rows, 1))).astype(
        np.int32
    )


def adaptive(**options: float) -> PercentileThresholds:
    return PercentileThresholds(
        BetaDetector(FS_HZ, 1e6),
        FS_HZ,
        **{"window_s": 60.0, "least_s": 10.0} | options,  # type: ignore[arg-type]  # no tuple
    )


def test_the_detector_is_active_for_the_share_of_time_that_was_asked_for() -> None:
    detector = adaptive()
    block = noise_nv(120 * FS_HZ)
    active = [detector.push(block[i : i + 5], i, 0).active for i in range(0, len(block), 5)]
    assert np.mean(active[60 * 50 :]) == pytest.approx(0.25, abs=0.05)


def test_the_thresholds_follow_a_drift() -> None:
    detector = adaptive()
    detector.push(noise_nv(60 * FS_HZ), 0, 0)
    before, _ = detector.thresholds
    detector.push(noise_nv(60 * FS_HZ, gain=3.0), 60 * FS_HZ, 0)
    after, _ = detector.thresholds
    assert after / before == pytest.approx(3, rel=0.1)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 4999), max_size=20))
def test_everything_is_the_same_however_the_signal_was_divided(cuts: list[int]) -> None:
    block = noise_nv(5000)
    whole, divided = adaptive(), adaptive()
    wanted = whole.push(block, 0, 0)
    parts, begin = [], 0
    for end in sorted({*cuts, 5000}):
        reading = divided.push(block[begin:end], begin, 0)
        parts.append(divided.levels)
        begin = end
    assert reading == wanted
    assert divided.thresholds == whole.thresholds
    np.testing.assert_array_equal(np.concatenate(parts), whole.levels)


def test_what_stimulation_causes_is_not_learned() -> None:
    detector = adaptive()
    detector.push(noise_nv(30 * FS_HZ), 0, 0)
    before = detector.thresholds
    detector.freeze(10_000)
    detector.push(noise_nv(10 * FS_HZ, gain=50.0), 30 * FS_HZ, 0)
    assert detector.thresholds == before
    detector.push(noise_nv(10 * FS_HZ, gain=50.0), 40 * FS_HZ, 0)
    assert detector.thresholds > before


def test_flagged_readings_are_not_learned_and_a_silent_channel_changes_nothing() -> None:
    detector = adaptive()
    detector.push(noise_nv(30 * FS_HZ), 0, 0)
    before = detector.thresholds
    railed = np.full((20 * FS_HZ, 1), 2**31 - 1, np.int32)
    reading = detector.push(railed, 30 * FS_HZ, 0)
    assert reading.quality & Quality.SATURATED
    assert detector.thresholds == before
    silent = adaptive()
    silent.push(np.zeros((60 * FS_HZ, 1), np.int32), 0, 0)
    assert silent.thresholds == (1e6, 1e6)


def test_reset_returns_to_the_first_thresholds() -> None:
    detector = adaptive()
    detector.push(noise_nv(30 * FS_HZ), 0, 0)
    detector.reset()
    assert detector.thresholds == (1e6, 1e6)
    assert detector.push(noise_nv(5), 77, 0) == adaptive().push(noise_nv(5), 77, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"percents": (75.0, 101.0)}, "two of 0 to 100"),
        ({"window_s": 0.5}, "must hold"),
        ({"least_s": 61.0}, "must hold"),
        ({"every_ms": 0.0}, "above 0"),
    ],
)
def test_a_bad_parameter_is_refused(options: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        adaptive(**options)


def test_a_bad_freeze_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 86400000"):
        adaptive().freeze(math.nan)
