"""Bursts of an envelope: the table of a recording, and its statistics (tier: offline).

Works at any rate: on an envelope per sample as well as on one level per control tick.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from stimloop_dsp.design import band_pass, sample_count


@dataclass(frozen=True, slots=True)
class Burst:
    """A run of an envelope above a threshold.

    Attributes
    ----------
    onset : int
        Index of its first sample.
    duration : int
        Its samples.
    peak : float
        Its greatest value, in the envelope's unit.
    """

    onset: int
    duration: int
    peak: float


@dataclass(frozen=True, slots=True)
class BurstSummary:
    """What the bursts of a recording have in common.

    Attributes
    ----------
    bursts_per_s : float
        Rate, 1/s.
    mean_ms, median_ms : float
        Duration, ms; NaN if there are no bursts.
    long_per_min : float
        Rate of long bursts, 1/min.
    long_fraction : float
        Fraction of the bursts that are long, 0 to 1; NaN if there are no bursts.
    mean_peak : float
        Mean of their greatest values, in the envelope's unit; NaN if there are no bursts.
    fraction_in_burst : float
        Fraction of time in bursts, 0 to 1.
    """

    bursts_per_s: float
    mean_ms: float
    median_ms: float
    long_per_min: float
    long_fraction: float
    mean_peak: float
    fraction_in_burst: float


def find_bursts(
    envelope: npt.NDArray[np.floating],
    threshold: float,
    fs_hz: float,
    minimum_ms: float = 100.0,
) -> list[Burst]:
    """Find the bursts of a whole envelope.

    A run that the end of the envelope cuts off has no duration and is left out.

    Parameters
    ----------
    envelope : ndarray of float, shape (n,)
        Envelope, any unit.
    threshold : float
        A burst is a run of samples above this, in the envelope's unit.
    fs_hz : float
        Rate of the envelope's samples, Hz.
    minimum_ms : float
        Shorter runs are no bursts, ms, to the nearest sample.

    References
    ----------
    G. Tinkhauser et al., Brain 140, 2017, doi 10.1093/brain/awx010.
    """
    level = np.asarray(envelope, dtype=np.float64)
    steps = np.diff((level > threshold).astype(np.int8), prepend=0)
    ends = np.flatnonzero(steps < 0)
    onsets = np.flatnonzero(steps > 0)[: ends.size]
    minimum = sample_count(fs_hz, minimum_ms)
    return [
        Burst(int(onset), int(end - onset), float(level[onset:end].max()))
        for onset, end in zip(onsets, ends, strict=True)
        if end - onset >= minimum
    ]


def amplitude(
    samples_uv: npt.NDArray[np.floating],
    fs_hz: float,
    band_hz: tuple[float, float] = (13.0, 30.0),
) -> npt.NDArray[np.float64]:
    """Amplitude of a band at every sample, without delay.

    A Butterworth band-pass of order 4, forwards and backwards, and the magnitude of the
    analytic signal: for whole recordings, since it needs the future.

    Parameters
    ----------
    samples_uv : ndarray of float, shape (n,)
        Samples, µV, all finite, at least 1 s.
    fs_hz : float
        Sampling rate, Hz.
    band_hz : tuple of float
        Lower and upper -3 dB frequency of one pass, Hz.

    Returns
    -------
    ndarray of float64, shape (n,)
        µV; the amplitude of a sine.

    Raises
    ------
    ValueError
        If the band does not fit the rate, or the samples are too few or not finite.
    """
    band_pass(fs_hz, band_hz, 4)  # refuses what does not fit
    samples = np.asarray(samples_uv, dtype=np.float64)
    if samples.ndim != 1 or samples.size < fs_hz or not np.isfinite(samples).all():
        raise ValueError(
            f"Samples of shape {samples.shape} were given; give (n,), finite, of 1 s or more."
        )
    sections = signal.butter(4, band_hz, "bandpass", fs=fs_hz, output="sos")
    return np.asarray(np.abs(signal.hilbert(signal.sosfiltfilt(sections, samples))))


def burst_table(
    samples_uv: npt.NDArray[np.floating],
    fs_hz: float,
    band_hz: tuple[float, float] = (13.0, 30.0),
    percentile: float = 75.0,
    minimum_ms: float = 100.0,
) -> list[Burst]:
    """Find the bursts of a whole recording by the convention of Tinkhauser et al.

    Parameters
    ----------
    samples_uv, fs_hz, band_hz
        As in `amplitude`.
    percentile : float
        The threshold is this percentile of the recording's own amplitude, 0 to 100.
    minimum_ms : float
        Shorter runs are no bursts, ms.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    G. Tinkhauser et al., Brain 140, 2017, doi 10.1093/brain/awx010.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile {percentile} was asked for; choose one of 0 to 100.")
    level = amplitude(samples_uv, fs_hz, band_hz)
    return find_bursts(level, float(np.percentile(level, percentile)), fs_hz, minimum_ms)


def duration_cdf(bursts: Sequence[Burst], fs_hz: float, at_ms: Sequence[float]) -> list[float]:
    """Fraction of the bursts that last at most so long.

    Parameters
    ----------
    bursts : sequence of Burst
        One or more.
    fs_hz : float
        Rate of the envelope's samples, Hz.
    at_ms : sequence of float
        Durations, ms.

    Raises
    ------
    ValueError
        If there are no bursts.
    """
    if not bursts:
        raise ValueError("A distribution of no bursts was asked for; give one or more.")
    durations_ms = np.array([1000 * burst.duration / fs_hz for burst in bursts])
    return [float(np.mean(durations_ms <= ms)) for ms in at_ms]


def summarise(
    bursts: Sequence[Burst], samples: int, fs_hz: float, long_ms: float = 600.0
) -> BurstSummary:
    """Summarise bursts.

    Parameters
    ----------
    bursts : sequence of Burst
        From `find_bursts` or a `BurstTracker`.
    samples : int
        Length of the envelope that they were found in, samples, >= 1.
    fs_hz : float
        Rate of the envelope's samples, Hz.
    long_ms : float
        Bursts longer than this are long, ms.

    Raises
    ------
    ValueError
        If there are no samples.
    """
    if samples < 1:
        raise ValueError(
            f"A summary over {samples} samples was asked for; give the envelope's length, "
            "one sample or more."
        )
    durations_ms = [1000 * burst.duration / fs_hz for burst in bursts]
    seconds = samples / fs_hz
    long = sum(ms > long_ms for ms in durations_ms)
    return BurstSummary(
        bursts_per_s=len(bursts) / seconds,
        mean_ms=float(np.mean(durations_ms)) if bursts else math.nan,
        median_ms=float(np.median(durations_ms)) if bursts else math.nan,
        long_per_min=60 * long / seconds,
        long_fraction=long / len(bursts) if bursts else math.nan,
        mean_peak=float(np.mean([burst.peak for burst in bursts])) if bursts else math.nan,
        fraction_in_burst=sum(burst.duration for burst in bursts) / samples,
    )
