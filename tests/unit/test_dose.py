"""Numbers of dose and response."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop import dose

levels = st.lists(st.floats(0, 500), min_size=1, max_size=50).map(np.array)


def test_a_response_at_the_target_is_as_accurate_as_its_noise() -> None:
    levels_uv = 50 + np.random.default_rng(0).normal(0, 2.5, 20_000)
    assert dose.accuracy_uv(levels_uv, 50.0) == pytest.approx(2.5, rel=0.02)
    assert dose.accuracy_uv(levels_uv, 50.0, noise_uv=2.5) < 0.5


def test_a_constant_distance_from_the_target_is_the_accuracy() -> None:
    assert dose.accuracy_uv(np.full(10, 56.0), 50.0) == pytest.approx(6.0)
    assert dose.accuracy_uv(np.full(10, 55.0), 50.0, noise_uv=3.0) == pytest.approx(4.0)


@given(levels, st.floats(1, 100), st.floats(0, 100))
def test_an_accuracy_is_never_negative_and_noise_never_worsens_it(
    levels_uv: np.ndarray[tuple[int], np.dtype[np.float64]], target_uv: float, noise_uv: float
) -> None:
    plain_uv = dose.accuracy_uv(levels_uv, target_uv)
    assert 0 <= dose.accuracy_uv(levels_uv, target_uv, noise_uv) <= plain_uv


def test_the_dose_ratio_is_that_of_the_median_response() -> None:
    charge_nc = np.linspace(600, 1800, 1201)
    level_uv = np.maximum(0, charge_nc - 900) * 0.25
    # Half of the pulses are below 1200 nC, which is 4/3 of the threshold.
    assert dose.ratio(charge_nc, level_uv, 900.0) == pytest.approx(4 / 3, rel=0.01)


@given(st.floats(0.5, 2))
def test_a_steady_charge_is_its_own_dose_ratio(share: float) -> None:
    assert dose.ratio(np.full(20, 900 * share), np.arange(20.0), 900.0) == pytest.approx(share)
