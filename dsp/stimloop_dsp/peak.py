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
    """

    frequency_hz: float
    height_db: float


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
    """
    check_rate(fs_hz)
    samples = np.asarray(samples_uv, dtype=np.float64)
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

    hz, power = signal.welch(samples, fs=fs_hz, nperseg=window, noverlap=window // 2)
    fitted = (hz >= FIT_HZ[0]) & (hz <= FIT_HZ[1])
    hz = hz[fitted]
    octaves, level_db = np.log2(hz), 10 * np.log10(power[fitted] + SILENCE)
    # Overlapping Hann windows are correlated by 1/6, so their powers by 1/36.
    windows = samples.size // (window // 2) - 1
    scatter_db = 10 / math.log(10) * math.sqrt((1 + 2 / 36) / windows)
    clear_db = max(CLEAR_DB, STANDARD_ERRORS * scatter_db)

    searched = (hz >= low) & (hz <= high)
    aperiodic = ~searched
    for _ in range(2):
        line = np.polynomial.Polynomial.fit(octaves[aperiodic], level_db[aperiodic], 1)
        height_db = level_db - line(octaves)
        aperiodic = ~searched & (height_db < clear_db)

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
    return Peak(
        frequency_hz=float(np.average(hz[around], weights=excess)),
        height_db=float(height_db[top]),
    )


def _run_around(index: int, inside: npt.NDArray[np.bool_]) -> slice:
    """The unbroken run of true values that holds an index."""
    outside = np.flatnonzero(~inside)
    after = int(np.searchsorted(outside, index))
    begin = outside[after - 1] + 1 if after else 0
    end = outside[after] if after < outside.size else inside.size
    return slice(int(begin), int(end))
