"""The individual beta peak (tier: offline, NumPy and SciPy)."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import signal

from stimloop_dsp.design import check_rate

FIT_HZ: Final = (2.0, 45.0)
"""Where the aperiodic part is fitted: above drift and movement, below the mains."""

CLEAR_DB: Final = 3.0
"""Least height of a peak."""

STANDARD_ERRORS: Final = 4.0
"""Least height of a peak in standard errors of a bin of the spectrum."""


BROADEST_HZ: Final = 20.0
"""Greatest width of a peak at half its prominence; broader is a bend of the spectrum."""

RESAMPLES: Final = 200
"""Bootstrap resamples behind a peak's interval and confidence."""

NEAR_HZ: Final = 2.0
"""How far from the peak a resample's may lie and count as the same, Hz."""

SILENCE: Final = 1e-30
"""Power, µV²/Hz, that stands for none where a logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak of a power spectrum above its aperiodic part.

    Attributes
    ----------
    frequency_hz : float
        Its centre, Hz.
    height_db : float
        Height of its highest bin over the fitted aperiodic part, dB.
    interval_hz : tuple of float
        95 % interval of the centre, Hz, by bootstrap over the windows of the spectrum. These
        overlap, so it is a little narrow: of simulated minutes, 88 to 93 % held the centre
        that half an hour showed.
    confidence : float
        Share of the bootstrap resamples in which a clear peak stands within `NEAR_HZ` of it,
        0 to 1: whether another such recording would show it.
    """

    frequency_hz: float
    height_db: float
    interval_hz: tuple[float, float]
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """A power spectrum where the aperiodic part is fitted, with both and the peak.

    Attributes
    ----------
    hz : ndarray of float64, shape (n,)
        Frequencies within `FIT_HZ`, Hz.
    power_db, aperiodic_db : ndarray of float64, shape (n,)
        Welch's spectrum and its aperiodic part, dB re 1 µV²/Hz.
    peak : Peak or None
        The highest clear peak of the band that was searched.
    """

    hz: npt.NDArray[np.float64]
    power_db: npt.NDArray[np.float64]
    aperiodic_db: npt.NDArray[np.float64]
    peak: Peak | None


def spectrum(
    samples_uv: npt.NDArray[np.floating],
    fs_hz: float,
    search_hz: tuple[float, float] = (13.0, 35.0),
) -> Spectrum:
    """Tell the spectrum in which `find_peak` looks, for who wants to see it.

    Parameters
    ----------
    samples_uv, fs_hz, search_hz
        As in `find_peak`.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """
    samples = _checked(samples_uv, fs_hz, search_hz)
    hz, powers = _windows(samples, fs_hz)
    power = powers.mean(axis=1)
    searched = (hz >= search_hz[0]) & (hz <= search_hz[1])
    return Spectrum(
        hz,
        10 * np.log10(power + SILENCE),
        _line_db(hz, power, searched, _clear_db(powers.shape[1])),
        find_peak(samples, fs_hz, search_hz),
    )


def find_peak(
    samples_uv: npt.NDArray[np.floating],
    fs_hz: float,
    search_hz: tuple[float, float] = (13.0, 35.0),
) -> Peak | None:
    """Find the highest peak of a band over the aperiodic part of the spectrum.

    The spectrum is Welch's with Hann windows of 1 s that overlap by half. The aperiodic part
    is a straight line in log power over log frequency, fitted outside the band to the bins
    that are not themselves part of a peak. A peak is clear if it is a local maximum, at least
    `CLEAR_DB` high and prominent, at least `STANDARD_ERRORS` times what the average of so many
    windows scatters, and at most `BROADEST_HZ` broad. Its frequency is the middle of its flanks
    at half its prominence, because a beta peak is broader than a bin and its highest bin is
    partly chance.

    Parameters
    ----------
    samples_uv : ndarray of float, shape (n,)
        Samples, µV, all finite, at least 3 s.
    fs_hz : float
        Sampling rate, Hz, > 90.
    search_hz : tuple of float
        Lower and upper end of the band to search, Hz, within 4 to 43 Hz.

    Returns
    -------
    Peak or None
        None if the band has no clear peak.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    P. Welch, IEEE Trans. Audio Electroacoustics 15, 1967, doi 10.1109/TAU.1967.1161901.
    T. Donoghue et al., Nature Neuroscience 23, 2020, doi 10.1038/s41593-020-00744-x (log-log
    line as the aperiodic part).
    W. Klimesch, Brain Research Reviews 29, 1999, doi 10.1016/S0165-0173(98)00056-3 (centre of
    gravity of a peak).
    B. Efron, Annals of Statistics 7, 1979, doi 10.1214/aos/1176344552 (bootstrap; with a fixed
    seed).
    """
    samples = _checked(samples_uv, fs_hz, search_hz)
    hz, powers = _windows(samples, fs_hz)
    found = _highest(hz, powers.mean(axis=1), powers.shape[1], search_hz)
    if found is None:
        return None
    rng = np.random.default_rng(0)
    again = [
        _highest(hz, powers[:, drawn].mean(axis=1), powers.shape[1], search_hz)
        for drawn in rng.integers(powers.shape[1], size=(RESAMPLES, powers.shape[1]))
    ]
    near_hz = [
        other[0] for other in again if other is not None and abs(other[0] - found[0]) <= NEAR_HZ
    ]
    low_hz, high_hz = np.percentile(near_hz or [found[0]], [2.5, 97.5])
    return Peak(
        frequency_hz=found[0],
        height_db=found[1],
        interval_hz=(float(low_hz), float(high_hz)),
        confidence=len(near_hz) / RESAMPLES,
    )


def _checked(
    given: npt.NDArray[np.floating], fs_hz: float, search_hz: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Samples from which a spectrum can be told, or a refusal."""
    check_rate(fs_hz)
    samples = np.asarray(given, dtype=np.float64)
    low, high = search_hz
    window = round(fs_hz)
    if fs_hz <= 2 * FIT_HZ[1]:
        raise ValueError(
            f"A peak was asked for at {fs_hz} Hz; the line is fitted up to {FIT_HZ[1]} Hz. "
            f"Give a signal of more than {2 * FIT_HZ[1]} Hz."
        )
    if not 4 <= low < high <= 43:
        raise ValueError(
            f"A peak between {low} and {high} Hz was asked for; 4 <= lower < upper <= 43 Hz "
            "must hold, so that the line can be fitted on both sides. Choose another band."
        )
    if samples.ndim != 1 or samples.size < 3 * window:
        raise ValueError(
            f"A signal of shape {samples.shape} was given; give (n,) with n >= {3 * window}, "
            "which is 3 s."
        )
    if not np.isfinite(samples).all():
        raise ValueError("The signal has samples that are not finite; remove them first.")
    return samples


def _windows(
    samples: npt.NDArray[np.float64], fs_hz: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Frequencies that are fitted, Hz, shape (n,), and power of each window, (n, windows)."""
    window = round(fs_hz)
    hz, _, powers = signal.spectrogram(samples, fs_hz, "hann", window, window // 2)
    fitted = (hz >= FIT_HZ[0]) & (hz <= FIT_HZ[1])
    return hz[fitted], powers[fitted]


def _highest(
    hz: npt.NDArray[np.float64],
    power: npt.NDArray[np.float64],
    windows: int,
    search_hz: tuple[float, float],
) -> tuple[float, float] | None:
    """Centre, Hz, and height, dB, of the highest clear peak of a mean of so many windows."""
    clear_db = _clear_db(windows)
    searched = (hz >= search_hz[0]) & (hz <= search_hz[1])
    height_db = 10 * np.log10(power + SILENCE) - _line_db(hz, power, searched, clear_db)

    # Where the spectrum bends, it bows over the line as high as a peak, but more broadly.
    bin_hz = hz[1] - hz[0]
    peaks, _ = signal.find_peaks(
        height_db, height=clear_db, prominence=clear_db, width=(0, BROADEST_HZ / bin_hz)
    )
    found = np.flatnonzero(searched[peaks])
    if not found.size:
        return None
    top = peaks[found[np.argmax(height_db[peaks[found]])]]
    around = _run_around(int(top), searched & (height_db > height_db[top] / 2))
    excess = 10 ** (height_db[around] / 10)
    return float(np.average(hz[around], weights=excess)), float(height_db[top])


def _clear_db(windows: int) -> float:
    """Least height of a peak in the mean of so many windows, dB."""
    # Overlapping Hann windows are correlated by 1/6, so their powers by 1/36.
    scatter_db = 10 / math.log(10) * math.sqrt((1 + 2 / 36) / windows)
    return max(CLEAR_DB, STANDARD_ERRORS * scatter_db)


def _line_db(
    hz: npt.NDArray[np.float64],
    power: npt.NDArray[np.float64],
    searched: npt.NDArray[np.bool_],
    clear_db: float,
) -> npt.NDArray[np.float64]:
    """The aperiodic part: a line in log power over log frequency, dB re 1 µV²/Hz."""
    octaves, level_db = np.log2(hz), 10 * np.log10(power + SILENCE)
    aperiodic = ~searched
    for _ in range(2):
        line = np.polynomial.Polynomial.fit(octaves[aperiodic], level_db[aperiodic], 1)
        line_db: npt.NDArray[np.float64] = line(octaves)
        aperiodic = ~searched & (level_db - line_db < clear_db)
    return line_db


def _run_around(index: int, inside: npt.NDArray[np.bool_]) -> slice:
    """The unbroken run of true values that holds an index."""
    outside = np.flatnonzero(~inside)
    after = int(np.searchsorted(outside, index))
    begin = outside[after - 1] + 1 if after else 0
    end = outside[after] if after < outside.size else inside.size
    return slice(int(begin), int(end))
