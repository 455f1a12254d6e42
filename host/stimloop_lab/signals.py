"""Signals whose bursts are known: the virtual patient's, and synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from stimloop_dsp import find_bursts
from stimloop_sim.patient import DbsPatient

MINIMUM_MS = 100.0
"""A shorter run of the truth is no burst."""
PERCENTILE = 75.0
"""The patient's own amplitude has its bursts above this percentile."""
BURST_HZ = 21.0
BURST_MS = 600.0
NOISE_UV = 5.0
"""Root mean square of the synthetic noise between 13 and 35 Hz."""
TICK_MS = 20.0


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples and the truth about them.

    Attributes
    ----------
    fs_hz : int
        Sampling rate, Hz.
    block : ndarray of int32, shape (n, 1), read-only
        Samples, nV.
    truth : ndarray of bool, shape (n,), read-only
        Whether a burst goes on.
    """

    fs_hz: int
    block: npt.NDArray[np.int32]
    truth: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        self.block.flags.writeable = False
        self.truth.flags.writeable = False


def runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """First sample, and the sample after the last, of each run of true values, (runs, 2)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2)


@cache
def patient(seed: int, seconds: float, fs_hz: int = 250) -> Signal:
    """Let the default patient live without stimulation.

    The truth is the generator's own amplitude, before noise and filters, above its 75th
    percentile for at least 100 ms.

    Parameters
    ----------
    seed : int
        Of the noise, >= 0.
    seconds : float
        Length, s.
    fs_hz : int
        250, 500 or 1000 Hz.
    """
    person = DbsPatient(seed=seed, fs_hz=fs_hz)
    tick = round(fs_hz * TICK_MS / 1000)
    off = np.zeros(tick, np.int32)
    sensed, amplitude = [], []
    for _ in range(round(seconds * fs_hz / tick)):
        sensed.append(person.sense(off, 60, 0))
        amplitude.append(person.envelope_uv)
    level = np.concatenate(amplitude)
    truth = np.zeros(level.size, bool)
    # A burst that is still going on at the end counts too, so the end is closed.
    closed = np.append(level, 0.0)
    for burst in find_bursts(
        closed, float(np.percentile(level, PERCENTILE)), fs_hz, MINIMUM_MS
    ):
        truth[burst.onset : burst.onset + burst.duration] = True
    return Signal(fs_hz, _nanovolt(np.concatenate(sensed).ravel()), truth)


@cache
def synthetic(seed: int, seconds: float, snr: float, fs_hz: int = 1000) -> Signal:
    """Put bursts of 600 ms at 21 Hz, 1.5 to 3 s apart, into 1/f noise.

    Parameters
    ----------
    seed : int
        Of noise, phases and pauses, >= 0.
    seconds : float
        Length, s.
    snr : float
        Root mean square of a burst over that of the noise between 13 and 35 Hz; 0 is no bursts.
    fs_hz : int
        Sampling rate, Hz.
    """
    rng = np.random.default_rng(seed)
    n = round(seconds * fs_hz)
    hz = np.fft.rfftfreq(n, 1 / fs_hz)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.maximum(hz, 0.5))
    inside = (hz >= 13) & (hz <= 35)
    in_band = np.sqrt(2 * np.sum(np.abs(spectrum[inside]) ** 2)) / n
    samples_uv = NOISE_UV / in_band * np.fft.irfft(spectrum, n)
    truth = np.zeros(n, bool)
    duration = round(BURST_MS / 1000 * fs_hz)
    burst_s = np.arange(duration) / fs_hz
    at = round(5 * fs_hz)
    while at + duration < n:
        phase = rng.uniform(0, 2 * np.pi)
        burst = np.sqrt(2) * snr * NOISE_UV * np.sin(2 * np.pi * BURST_HZ * burst_s + phase)
        pause = rng.uniform(1.5, 3.0)
        if snr:
            samples_uv[at : at + duration] += burst
            truth[at : at + duration] = True
        at += duration + round(pause * fs_hz)
    return Signal(fs_hz, _nanovolt(samples_uv), truth)


def _nanovolt(samples_uv: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.round(1000 * samples_uv).astype(np.int32)[:, None]
