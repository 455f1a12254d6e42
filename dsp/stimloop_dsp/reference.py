"""The detector's chain in a few lines of NumPy and SciPy: the oracle (tier: offline, float64).

Written from the definitions, for whole recordings; it shares no code with design or kernels.
"""

import numpy as np
import numpy.typing as npt
from scipy import signal

FloatArray = npt.NDArray[np.float64]


def held(samples_uv: FloatArray, saturation_uv: float) -> FloatArray:
    """Put the last good sample in place of each that is NaN or beyond the limit, 0 at first.

    Parameters
    ----------
    samples_uv : ndarray of float64, shape (n,)
        Samples, µV.
    saturation_uv : float
        Greatest magnitude of a good sample, µV.
    """
    good = np.abs(samples_uv) <= saturation_uv
    last_good = np.maximum.accumulate(np.where(good, np.arange(good.size), -1))
    return np.where(last_good < 0, 0.0, samples_uv[last_good])


def envelope(
    samples_uv: FloatArray,
    *,
    fs_hz: float,
    band_hz: tuple[float, float],
    order: int,
    smoothing: str,
    smooth_ms: float,
) -> FloatArray:
    """Band-pass, rectify and smooth, from rest.

    Parameters
    ----------
    samples_uv : ndarray of float64, shape (n,)
        Samples, µV, all finite.
    fs_hz, band_hz, order, smoothing, smooth_ms
        As in `Envelope`.
    """
    sections = signal.butter(order, band_hz, "bandpass", fs=fs_hz, output="sos")
    rectified = np.abs(signal.sosfilt(sections, samples_uv))
    if smoothing == "moving_average":
        window = max(1, round(fs_hz * smooth_ms / 1000))
        return np.convolve(rectified, np.ones(window) / window)[: rectified.size]
    decay = np.exp(-1000 / (fs_hz * smooth_ms))
    return np.asarray(signal.lfilter([1 - decay], [1, -decay], rectified))


def decisions(
    level: npt.NDArray[np.floating],
    *,
    on: float,
    off: float,
    onset: int,
    termination: int,
    blanking: int,
) -> list[bool]:
    """Whether the detector is active, sample by sample.

    Parameters
    ----------
    level : ndarray of float, shape (n,)
        Envelope, in the thresholds' unit.
    on, off : float
        Active above `on`, inactive at or below `off`.
    onset, termination : int
        Samples that the level must stay there first, >= 1.
    blanking : int
        Samples after each change during which nothing is counted.
    """
    active, run, resume = False, 0, 0
    told = []
    for i, value in enumerate(level):
        if i >= resume:
            run = run + 1 if active == (value <= (off if active else on)) else 0
            if run == (termination if active else onset):
                active, run, resume = not active, 0, i + 1 + blanking
        told.append(active)
    return told
