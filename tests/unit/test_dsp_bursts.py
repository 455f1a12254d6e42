import math

import numpy as np
import pytest

from stimloop_dsp import BetaDetector, Burst, find_bursts, summarise
from stimloop_dsp.bursts import amplitude, burst_table, duration_cdf


def test_a_burst_is_a_long_enough_run_above_the_threshold() -> None:
    #                    too short    burst              cut off by the end
    envelope = np.array([0, 2, 0, 0, 2, 4, 3, 1, 0, 5, 5, 5, 5])
    assert find_bursts(envelope, 1, 20, 100) == [Burst(onset=4, duration=3, peak=4.0)]


def test_a_run_from_the_first_sample_is_a_burst() -> None:
    assert find_bursts(np.array([2.0, 2.0, 0.0]), 1, 20, 100) == [Burst(0, 2, 2.0)]


@pytest.mark.parametrize("envelope", [[], [0.0, 0.0], [2.0, 2.0]])
def test_without_an_end_there_is_no_burst(envelope: list[float]) -> None:
    assert find_bursts(np.array(envelope), 1, 50, 0) == []


def test_the_same_bursts_have_the_same_durations_at_any_rate() -> None:
    per_tick = np.repeat([0.0, 2.0, 0.0, 3.0, 0.0], [10, 5, 7, 40, 38])
    ticks = summarise(find_bursts(per_tick, 1, 50), per_tick.size, 50)
    per_sample = np.repeat(per_tick, 20)
    samples = summarise(find_bursts(per_sample, 1, 1000), per_sample.size, 1000)
    assert ticks == samples


def test_the_summary_of_a_known_table() -> None:
    bursts = [Burst(0, 100, 1), Burst(300, 200, 1), Burst(600, 600, 1), Burst(1500, 700, 1)]
    summary = summarise(bursts, 30_000, 1000)
    assert summary.bursts_per_s == pytest.approx(4 / 30)
    assert summary.mean_ms == pytest.approx(400)
    assert summary.median_ms == pytest.approx(400)
    assert summary.long_per_min == pytest.approx(2)  # 600 ms is not longer than 600 ms
    assert summary.fraction_in_burst == pytest.approx(1600 / 30_000)


def test_no_bursts_have_no_duration() -> None:
    summary = summarise([], 100, 50)
    assert (summary.bursts_per_s, summary.long_per_min, summary.fraction_in_burst) == (0, 0, 0)
    assert math.isnan(summary.mean_ms)
    assert math.isnan(summary.median_ms)


def test_nothing_cannot_be_summarised() -> None:
    with pytest.raises(ValueError, match="one sample or more"):
        summarise([], 0, 50)


def test_the_table_of_a_recording_finds_what_was_put_in() -> None:
    fs_hz = 500
    t_s = np.arange(60 * fs_hz) / fs_hz
    strength = np.where(t_s % 2 < 0.4, 20.0, 1.0)
    samples_uv = strength * np.sin(2 * np.pi * 20 * t_s)
    table = burst_table(samples_uv, fs_hz, percentile=75)
    assert len(table) == pytest.approx(30, abs=1)
    summary = summarise(table, samples_uv.size, fs_hz, long_ms=600)
    assert summary.median_ms == pytest.approx(500, abs=60)  # the amplitude is smooth
    assert summary.long_fraction == 0
    assert summary.mean_peak == pytest.approx(20, rel=0.15)
    assert duration_cdf(table, fs_hz, [100, 450, 1000]) == pytest.approx([0, 0, 1], abs=0.1)


def test_a_table_that_cannot_be_is_refused() -> None:
    good = np.zeros(1000)
    with pytest.raises(ValueError, match="percentile"):
        burst_table(good, 250, percentile=101)
    with pytest.raises(ValueError, match="lower < upper"):
        burst_table(good, 50)
    with pytest.raises(ValueError, match="finite"):
        burst_table(np.full(1000, np.nan), 250)
    with pytest.raises(ValueError, match="1 s"):
        amplitude(good[:100], 250)
    with pytest.raises(ValueError, match="no bursts"):
        duration_cdf([], 250, [100])


def test_a_duration_gate_spares_short_bursts_and_lets_go_at_once() -> None:
    fs_hz = 250
    t_s = np.arange(12 * fs_hz) / fs_hz
    short, long = (t_s > 3) & (t_s < 3.15), (t_s > 6) & (t_s < 8)
    samples_uv = 40 * (short | long) * np.sin(2 * np.pi * 20 * t_s)
    block = np.round(1000 * samples_uv).astype(np.int32)[:, None]
    gated = BetaDetector(fs_hz, 8, smooth_ms=50, onset_ms=300)
    plain = BetaDetector(fs_hz, 8, smooth_ms=50)
    told = np.array([gated.push(block[i : i + 1], i, 0).active for i in range(len(block))])
    at_once = np.array([plain.push(block[i : i + 1], i, 0).active for i in range(len(block))])
    assert at_once[short].any()
    assert not told[: 5 * fs_hz].any()
    assert np.argmax(told) - np.argmax(at_once[5 * fs_hz :]) - 5 * fs_hz == 0.3 * fs_hz - 1
    assert np.flatnonzero(told)[-1] == np.flatnonzero(at_once)[-1]
