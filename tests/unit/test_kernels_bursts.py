import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import Burst, BurstTracker, find_bursts


@given(
    levels=st.lists(st.sampled_from([-0.5, 0.0, 0.9, 1.0, 1.1, 2.5, math.nan]), max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=10).map(sorted),
    minimum=st.integers(0, 5),
    threshold=st.sampled_from([-1.0, 0.0, 0.9, 1.0]),
    number=st.sampled_from(["float32", "float64"]),
)
def test_the_tracker_finds_what_the_table_holds(
    levels: list[float], cuts: list[int], minimum: int, threshold: float, number: str
) -> None:
    envelope = np.array(levels, dtype=number)
    tracker = BurstTracker(1000, threshold, minimum)
    parts = np.split(envelope, cuts)
    found = [burst for part in parts for burst in tracker.push(part)]
    assert found == find_bursts(envelope, threshold, 1000, minimum)
    assert (tracker.count, tracker.samples) == (len(found), len(levels))


def test_a_burst_is_told_when_it_ends() -> None:
    tracker = BurstTracker(10, 1.0, 200)
    assert tracker.push(np.array([0, 2.0, 3.0])) == []
    assert tracker.push(np.array([2.0])) == []
    assert tracker.push(np.array([1.0, 5.0, 0.0])) == [Burst(1, 3, 3.0)]
    assert tracker.count == 1


def test_the_threshold_may_be_set_while_it_runs() -> None:
    tracker = BurstTracker(10, 1.0, 0)
    tracker.push(np.array([2.0, 2.0]))
    tracker.threshold = 3.0
    assert tracker.threshold == 3.0
    assert tracker.push(np.array([2.0, 4.0, 0.0])) == [Burst(0, 2, 2.0), Burst(3, 1, 4.0)]


def test_reset_forgets_the_burst_under_way() -> None:
    tracker = BurstTracker(10, 1.0, 0)
    tracker.push(np.array([2.0, 0.0, 2.0, 2.0]))
    tracker.reset()
    assert (tracker.count, tracker.samples, tracker.threshold) == (0, 0, 1.0)
    assert tracker.push(np.array([0.0, 2.0, 0.0])) == [Burst(1, 1, 2.0)]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ((0, 1.0), "finite rate above 0 Hz"),
        ((250, math.nan), "A threshold of nan was asked for"),
        ((250, 1.0, -1), "Bursts of at least -1.0 ms"),
        ((250, 1.0, math.inf), "Bursts of at least inf ms"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    parameters: tuple[float, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        BurstTracker(*parameters)


@pytest.mark.parametrize(
    ("envelope", "error", "sentence"),
    [
        (np.zeros(5, np.int32), TypeError, "An envelope of int32 was pushed"),
        (np.zeros(10)[::2], TypeError, "C-contiguous"),
        (np.zeros((5, 1)), ValueError, "give \\(n,\\)"),
    ],
)
def test_a_bad_envelope_is_refused_in_a_sentence(
    envelope: npt.NDArray[Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        BurstTracker(250, 1.0).push(envelope)
