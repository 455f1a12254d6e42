import math

import numpy as np
import pytest

from stimloop_dsp import Burst, find_bursts, summarise


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
