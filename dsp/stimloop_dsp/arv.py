"""The biomarker of a published network model's controllers (tier: offline, SciPy)."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import signal

from stimloop_dsp.design import check_rate, sample_count

BUFFER_MS: Final = 2000.0
"""What is filtered at a time."""

TAIL_MS: Final = 100.0
"""What is averaged, and what is left out after it, where filtering backwards has no past."""


def average_rectified_value(
    samples: npt.NDArray[np.floating], fs_hz: float, band_hz: tuple[float, float] = (21.0, 29.0)
) -> float:
    """Average rectified value of the band, as Fleming's controllers compute it.

    The last 2 s are filtered forwards and backwards by a Chebyshev filter (type I, order 4,
    0.5 dB of ripple), rectified, and averaged from 200 to 100 ms before the end. It is a value
    of 100 ms that is 100 ms old, and needs the future of no sample but those.

    Parameters
    ----------
    samples : ndarray of float, shape (n,)
        Samples, any unit, at least 2 s.
    fs_hz : float
        Sampling rate, Hz.
    band_hz : tuple of float
        Lower and upper edge, Hz.

    Returns
    -------
    float
        In the samples' unit.

    Raises
    ------
    ValueError
        If there are too few samples, or the band does not fit the rate.

    References
    ----------
    J. Fleming, E. Dunn, M. Lowery, Frontiers in Neuroscience 14, 2020,
    doi 10.3389/fnins.2020.00166; model code ModelDB 262046.
    """
    check_rate(fs_hz)
    low, high = band_hz
    if not 0 < low < high < fs_hz / 2:
        raise ValueError(
            f"A band of {low} to {high} Hz was asked for; at {fs_hz} Hz it must satisfy "
            f"0 < lower < upper < {fs_hz / 2} Hz. Choose another band."
        )
    buffer, tail = sample_count(fs_hz, BUFFER_MS), sample_count(fs_hz, TAIL_MS)
    recent = np.asarray(samples, dtype=np.float64)[-buffer:]
    if recent.ndim != 1 or recent.size < buffer or not np.isfinite(recent).all():
        raise ValueError(
            f"Samples of shape {np.shape(samples)} were given; give (n,), finite, with at "
            f"least {buffer}, which are 2 s."
        )
    b, a = signal.cheby1(4, 0.5, band_hz, "bandpass", fs=fs_hz)
    rectified = np.abs(signal.filtfilt(b, a, recent))
    return float(np.mean(rectified[-2 * tail : -tail]))
