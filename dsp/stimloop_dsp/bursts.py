"""Bursts of an envelope: the table of a recording, and its statistics (tier: offline, NumPy).

Works at any rate: on an envelope per sample as well as on one level per control tick.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stimloop_dsp.design import sample_count


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
    fraction_in_burst : float
        Fraction of time in bursts, 0 to 1.
    """

    bursts_per_s: float
    mean_ms: float
    median_ms: float
    long_per_min: float
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
    return BurstSummary(
        bursts_per_s=len(bursts) / seconds,
        mean_ms=float(np.mean(durations_ms)) if bursts else math.nan,
        median_ms=float(np.median(durations_ms)) if bursts else math.nan,
        long_per_min=60 * sum(ms > long_ms for ms in durations_ms) / seconds,
        fraction_in_burst=sum(burst.duration for burst in bursts) / samples,
    )
