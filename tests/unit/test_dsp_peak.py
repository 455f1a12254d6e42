import math
import re

import numpy as np
import numpy.typing as npt
import pytest

from stimloop_dsp import find_peak, spectrum

FloatArray = npt.NDArray[np.float64]


def pink_uv(fs_hz: int, seconds: int, exponent: float, seed: int) -> FloatArray:
    """Return noise whose power falls as 1 / f**exponent."""
    rows = fs_hz * seconds
    hz = np.fft.rfftfreq(rows, 1 / fs_hz)
    hz[0] = hz[1]
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(rows))
    return np.asarray(np.fft.irfft(white / hz ** (exponent / 2), rows))


def beta_uv(fs_hz: int, seconds: int, hz: float, width_hz: float, seed: int) -> FloatArray:
    """Return Gaussian noise of a Gaussian band, of unit variance."""
    rows = fs_hz * seconds
    shape = np.exp(-(((np.fft.rfftfreq(rows, 1 / fs_hz) - hz) / width_hz) ** 2) / 4)
    white = np.fft.rfft(np.random.default_rng(seed + 1000).standard_normal(rows))
    beta: FloatArray = np.fft.irfft(white * shape, rows)
    return beta / float(beta.std())


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.5, 2])
@pytest.mark.parametrize(("fs_hz", "seconds"), [(1000, 30), (250, 60), (250, 5)])
def test_pure_noise_has_no_peak(fs_hz: int, seconds: int, exponent: float) -> None:
    for seed in range(10):
        assert find_peak(pink_uv(fs_hz, seconds, exponent, seed), fs_hz) is None


@pytest.mark.parametrize("hz", [15.0, 18.3, 21.5, 25.0, 31.0])
@pytest.mark.parametrize("fs_hz", [250, 500])
def test_a_broad_peak_is_found_within_half_a_hertz(fs_hz: int, hz: float) -> None:
    noise = pink_uv(fs_hz, 120, 1, 0)
    peak = find_peak(noise + 0.8 * noise.std() * beta_uv(fs_hz, 120, hz, 1.5, 0), fs_hz)
    assert peak is not None
    assert peak.frequency_hz == pytest.approx(hz, abs=0.5)
    assert peak.height_db > 6


def test_the_height_is_in_decibel_over_the_aperiodic_part() -> None:
    noise = 3 * pink_uv(250, 200, 0, 0)
    beta = beta_uv(250, 200, 20, 1.5, 0)
    heights = []
    for gain in (20, 200):
        peak = find_peak(noise + gain * beta, 250)
        assert peak is not None
        heights.append(peak.height_db)
    assert heights[1] - heights[0] == pytest.approx(20, abs=1)


def with_beta(gain: float, seconds: int, seed: int) -> FloatArray:
    noise = pink_uv(250, seconds, 1, seed)
    return np.asarray(noise + gain * noise.std() * beta_uv(250, seconds, 20, 1.5, seed))


def test_a_clear_peak_is_certain_and_its_interval_mostly_holds_that_of_an_hour() -> None:
    hour = find_peak(with_beta(0.4, 3600, 99), 250)
    assert hour is not None
    held = 0
    for seed in range(20):
        peak = find_peak(with_beta(0.4, 60, seed), 250)
        assert peak is not None
        assert peak.confidence > 0.95
        low, high = peak.interval_hz
        assert low <= peak.frequency_hz <= high
        assert high - low < 1.5
        held += low <= hour.frequency_hz <= high
    assert held >= 16


def test_a_peak_that_barely_stands_out_is_less_certain() -> None:
    peaks = [find_peak(with_beta(0.14, 60, seed), 250) for seed in range(20)]
    confidences = [peak.confidence for peak in peaks if peak is not None]
    assert 0 < len(confidences) < 20
    assert 0.5 < np.mean(confidences) < 0.95


def test_the_unit_does_not_matter() -> None:
    signal = pink_uv(250, 60, 1, 0)
    signal += signal.std() * beta_uv(250, 60, 20, 1.5, 0)
    peak, small = find_peak(signal, 250), find_peak(1e-3 * signal, 250)
    assert peak is not None
    assert small is not None
    assert small.frequency_hz == pytest.approx(peak.frequency_hz)
    assert small.height_db == pytest.approx(peak.height_db)


def test_the_highest_peak_of_the_band_is_chosen() -> None:
    signal = pink_uv(250, 60, 1, 0)
    for hz, gain in ((10, 8), (16, 1), (28, 2)):
        signal += gain * signal.std() * beta_uv(250, 60, hz, 1, hz) / 4
    peak = find_peak(signal, 250)
    assert peak is not None
    assert peak.frequency_hz == pytest.approx(28, abs=0.5)
    alpha = find_peak(signal, 250, (8, 13))
    assert alpha is not None
    assert alpha.frequency_hz == pytest.approx(10, abs=0.5)


def test_a_bend_of_the_spectrum_is_no_peak() -> None:
    rows = 250 * 60
    hz = np.fft.rfftfreq(rows, 1 / 250)
    for seed in range(10):
        white = np.fft.rfft(np.random.default_rng(seed).standard_normal(rows))
        bent: FloatArray = np.fft.irfft(white / np.sqrt(1 + (hz / 20) ** 3), rows)
        assert find_peak(bent, 250) is None


def test_an_alpha_peak_does_not_lift_the_line_under_beta() -> None:
    noise = pink_uv(250, 120, 1, 0)
    beta = noise + noise.std() * beta_uv(250, 120, 20, 1, 0)
    alone = find_peak(beta, 250)
    beside = find_peak(beta + 3 * noise.std() * beta_uv(250, 120, 9, 1, 1), 250)
    assert alone is not None
    assert beside is not None
    assert beside.height_db == pytest.approx(alone.height_db, abs=1)


def test_silence_has_no_peak() -> None:
    assert find_peak(np.zeros(1000), 250) is None


def test_a_spectrum_shows_the_peak_that_is_found_above_its_line() -> None:
    signal = pink_uv(250, 60, 1, 0) + beta_uv(250, 60, 20, 1, 0)
    told = spectrum(signal, 250)
    assert told.peak == find_peak(signal, 250)
    assert told.peak is not None
    height_db = told.power_db - told.aperiodic_db
    near = np.abs(told.hz - told.peak.frequency_hz) <= 2
    assert height_db[near].max() == pytest.approx(told.peak.height_db)
    assert np.abs(np.median(height_db[told.hz > 36])) < 3


@pytest.mark.parametrize(
    ("samples", "fs_hz", "search_hz", "sentence"),
    [
        (np.zeros(1000), math.nan, (13, 35), "finite rate above 0 Hz"),
        (np.zeros(1000), 90, (13, 35), "Give a signal of more than 90.0 Hz"),
        (np.zeros(1000), 250, (3, 35), "4 <= lower < upper <= 43 Hz"),
        (np.zeros(1000), 250, (35, 13), "4 <= lower < upper <= 43 Hz"),
        (np.zeros(749), 250, (13, 35), "n >= 750"),
        (np.zeros((1000, 1)), 250, (13, 35), "give (n,)"),
        (np.full(1000, math.nan), 250, (13, 35), "not finite"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    samples: FloatArray, fs_hz: float, search_hz: tuple[float, float], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        find_peak(samples, fs_hz, search_hz)
