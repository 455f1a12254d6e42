"""The streaming core, offline: beta peak and bursts of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp import Envelope, find_bursts, find_peak, summarise

if TYPE_CHECKING:
    from stimloop_dsp import Burst, Peak
    from stimloop_dsp.recordings import Recording

CHUNK = 1024
"""Samples pushed at a time; the result does not depend on it."""
NO_SATURATION_UV = 1e9
"""A file does not tell its amplifier's range."""
PEAK_LEAST_S = 3.0
PEAK_LEAST_HZ = 90.0
"""What `find_peak` needs."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in a recording.

    Attributes
    ----------
    rate_hz : float
        Sampling rate, Hz.
    band_hz : tuple of float
        Band, Hz.
    peak : Peak or None
        Its clear peak over the aperiodic part.
    threshold_uv : float
        µV.
    bursts : list of Burst
        In samples of the recording.
    burst_rate_hz, median_burst_ms : float
        Bursts per second; their median duration, NaN without bursts, ms.
    held : int
        Samples without a value, for which the last good one stood in.
    delay_ms : float
        How far the detector lags the signal, ms.
    """

    rate_hz: float
    band_hz: tuple[float, float]
    peak: Peak | None
    threshold_uv: float
    bursts: list[Burst]
    burst_rate_hz: float
    median_burst_ms: float
    held: int
    delay_ms: float


def clear_peak(samples_uv: np.ndarray, rate_hz: float) -> Peak | None:
    """Find the beta peak; None where none is clear or there is too little to tell.

    Parameters
    ----------
    samples_uv : ndarray of float, shape (n,)
        µV; samples without a value are left out.
    rate_hz : float
    """
    present = samples_uv[np.isfinite(samples_uv)]
    if rate_hz <= PEAK_LEAST_HZ or len(present) < PEAK_LEAST_S * rate_hz:
        return None
    return find_peak(present, rate_hz)


def detect(
    recording: Recording,
    *,
    band_hz: tuple[float, float] = (13.0, 35.0),
    order: int = 2,
    smooth_ms: float = 50.0,
    percentile: float = 75.0,
) -> Detection:
    """Find the beta bursts of a recording with the detector of the loop.

    Parameters
    ----------
    recording : Recording
    band_hz : tuple of float
        Band-pass, Hz.
    order : int
        Its order, 1 to 4.
    smooth_ms : float
        Moving average over the rectified signal, ms.
    percentile : float
        The threshold is this percentile of the recording's own envelope, 0 to 100; bursts are
        the runs of at least 100 ms above it (Tinkhauser 2017, doi 10.1093/brain/awx010).

    Returns
    -------
    Detection

    Raises
    ------
    ValueError
        If a parameter does not fit the recording.
    """
    if not 0.0 <= percentile <= 100.0:
        raise ValueError(f"percentile {percentile:g} is not possible; choose one of 0 to 100")
    samples = np.ascontiguousarray(recording.samples_uv, np.float64).reshape(-1, 1)
    envelope = Envelope(
        recording.fs_hz,
        band_hz,
        order,
        smooth_ms=smooth_ms,
        precision="float64",
        saturation_uv=NO_SATURATION_UV,
    )
    level = np.empty_like(samples)
    for begin in range(0, len(samples), CHUNK):
        envelope.push(samples[begin : begin + CHUNK], level[begin : begin + CHUNK])
    threshold_uv = float(np.percentile(level, percentile))
    bursts = find_bursts(level[:, 0], threshold_uv, recording.fs_hz)
    summary = summarise(bursts, len(samples), recording.fs_hz)
    return Detection(
        recording.fs_hz,
        band_hz,
        clear_peak(samples[:, 0], recording.fs_hz),
        threshold_uv,
        bursts,
        summary.bursts_per_s,
        summary.median_ms,
        envelope.held,
        envelope.delay_ms,
    )
