import numpy as np
import pytest
from scipy import stats

from stimloop_sim._noise import Noise


def test_deviates_are_standard_normal_out_to_the_tail() -> None:
    drawn = Noise(3, 1).normals(4_000_000)
    assert float(drawn.mean()) == pytest.approx(0.0, abs=0.002)
    assert float(drawn.var()) == pytest.approx(1.0, abs=0.003)
    assert float(stats.kurtosis(drawn)) == pytest.approx(0.0, abs=0.01)
    assert stats.kstest(drawn[:200_000], "norm").pvalue > 0.001
    # Beyond the ziggurat's last edge the tail is drawn by another way.
    for edge in (3.0, 3.6541528853610088, 4.2):
        expected = 2 * stats.norm.sf(edge) * len(drawn)
        found = np.count_nonzero(np.abs(drawn) > edge)
        assert abs(found - expected) < 4 * np.sqrt(expected)
        assert np.count_nonzero(drawn > edge) > 0.35 * expected


def test_one_deviate_says_nothing_about_the_next() -> None:
    drawn = Noise(4).normals(1_000_000)
    for lag in (1, 2, 7):
        assert abs(float(np.mean(drawn[lag:] * drawn[:-lag]))) < 0.004
        assert abs(float(np.mean(drawn[lag:] ** 2 * drawn[:-lag] ** 2)) - 1.0) < 0.01


def test_a_stream_is_fixed_by_its_key_and_another_key_is_another_stream() -> None:
    first = Noise(7, 0).normals(1000)
    assert np.array_equal(Noise(7, 0).normals(1000), first)
    for key in ((7, 1), (8, 0)):
        assert abs(float(np.corrcoef(Noise(*key).normals(1000), first)[0, 1])) < 0.15


def test_uniform_numbers_fill_the_interval_and_are_never_zero() -> None:
    drawn = Noise(5).uniforms(1_000_000)
    assert 0.0 < drawn.min() < 1e-5
    assert 1.0 - 1e-5 < drawn.max() <= 1.0
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.002)


def test_a_negative_key_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        Noise(-1)
