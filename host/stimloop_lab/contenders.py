"""The detectors that are compared, and the usual way to do without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from stimloop_dsp import (
    BetaDetector,
    EndpointHilbert,
    HalfWaves,
    LineLength,
    PerceptDetector,
    Quality,
    RcsDetector,
    Reading,
    Resonator,
    SpectralDetector,
)
from stimloop_dsp.percept import FS_HZ as PERCEPT_HZ
from stimloop_dsp.percept import PerceptConfig
from stimloop_dsp.rcs import DetectorConfig, FftConfig, PowerBand

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_lab.signals import Signal

NEVER = 1e9
"""A threshold that no level reaches: what is compared is the level."""
BLOCK = 250
"""Samples pushed at a time; levels do not depend on it."""


class Leveller(Protocol):
    """A detector that tells its level at every sample."""

    @property
    def delay_ms(self) -> float:
        """How far the level lags the signal, ms."""

    @property
    def levels(self) -> npt.NDArray[np.floating]:
        """Level at each sample of the last block."""

    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading:
        """Take the next block."""


@dataclass(frozen=True)
class Contender:
    """A detector with its parameters.

    Attributes
    ----------
    name : str
        As it stands in tables.
    family : str
        What it is drawn with.
    make : callable
        From the sampling rate, Hz, to a detector.
    """

    name: str
    family: str
    make: Callable[[int], Leveller]

    def levels(self, signal: Signal) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Level at every sample, and whether it had settled."""
        detector = self.make(signal.fs_hz)
        levels = np.empty(len(signal.block))
        settled = np.zeros(len(signal.block), bool)
        for first in range(0, len(signal.block), BLOCK):
            reading = detector.push(signal.block[first : first + BLOCK], first, 0)
            levels[first : first + BLOCK] = detector.levels
            settled[first : first + BLOCK] = not reading.quality & Quality.WARMUP
        return levels, settled


class WindowedFft:
    """The usual way: a Hann window, transformed anew at every hop; a baseline, not a detector.

    Parameters
    ----------
    fs_hz : int
    band_hz : tuple of float
        Band whose power is summed, Hz.
    window_ms, hop_ms : float
        Length of the window, and time from one to the next, ms.
    """

    def __init__(
        self, fs_hz: int, band_hz: tuple[float, float], window_ms: float, hop_ms: float
    ) -> None:
        self._window = round(fs_hz * window_ms / 1000)
        self._hop = round(fs_hz * hop_ms / 1000)
        self._hann = np.hanning(self._window + 1)[:-1]
        hz = np.fft.rfftfreq(self._window, 1 / fs_hz)
        self._bins = (hz >= band_hz[0]) & (hz <= band_hz[1])
        self._past = np.zeros(self._window)
        self._level, self._seen = 0.0, 0
        self.levels: npt.NDArray[np.floating] = np.zeros(0)
        self.delay_ms = window_ms / 2 + hop_ms / 2

    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading:
        """Take the next block."""
        self.levels = np.empty(len(block))
        for i, sample in enumerate(block[:, 0] * 1e-3):
            self._past[self._seen % self._window] = sample
            self._seen += 1
            if self._seen % self._hop == 0:
                at = self._seen % self._window
                ordered = np.concatenate([self._past[at:], self._past[:at]])
                spectrum = np.fft.rfft(self._hann * ordered)[self._bins]
                self._level = float(np.sqrt(np.sum(np.abs(spectrum) ** 2))) / self._window
            self.levels[i] = self._level
        quality = Quality.OK if self._seen >= self._window else Quality.WARMUP
        return Reading(
            first_index + len(block) - 1,
            t_us,
            self._level,
            active=False,
            active_ms=0,
            quality=quality,
        )


def beta(
    band_hz: tuple[float, float], order: int, smoothing: str, smooth_ms: float
) -> Contender:
    """Return a `BetaDetector`."""
    short = "pole" if smoothing == "one_pole" else "mean"
    return Contender(
        f"{band_hz[0]:g}-{band_hz[1]:g} Hz, order {order}, {short} {smooth_ms:g} ms",
        f"band-pass {band_hz[0]:g}-{band_hz[1]:g} Hz",
        lambda fs_hz: BetaDetector(
            fs_hz,
            NEVER,
            band_hz=band_hz,
            order=order,
            smoothing="one_pole" if smoothing == "one_pole" else "moving_average",
            smooth_ms=smooth_ms,
        ),
    )


WIDE_HZ = (13.0, 35.0)


def spectral(window_ms: float) -> Contender:
    """Return a `SpectralDetector`."""
    return Contender(
        f"sliding DFT, {window_ms:g} ms",
        "sliding DFT",
        lambda fs_hz: SpectralDetector(fs_hz, NEVER, band_hz=WIDE_HZ, window_ms=window_ms),
    )


def resonator(peak_hz: float, bandwidth_hz: float) -> Contender:
    """Return a `Resonator`."""
    return Contender(
        f"resonator, {bandwidth_hz:g} Hz",
        "resonator",
        lambda fs_hz: Resonator(fs_hz, NEVER, peak_hz=peak_hz, bandwidth_hz=bandwidth_hz),
    )


def rcs(fs_hz: int) -> RcsDetector:
    """Return the RC+S pipeline with a window of about 250 ms and 20 updates a second."""
    size = {250: 64, 1000: 256}[fs_hz]
    return RcsDetector(
        fs_hz, FftConfig(size, 50), [PowerBand(4, 8)], [DetectorConfig((NEVER, NEVER))]
    )


def percept(peak_hz: float) -> Contender:
    """Return a Percept-like detector of one threshold; it knows 250 Hz alone."""
    config = PerceptConfig.single(peak_hz, 400.0, (0.0, 0.0), 0.0)
    return Contender(
        f"like Percept, {config.band_hz[0]:g}-{config.band_hz[1]:g} Hz",
        "device-like",
        lambda _: PerceptDetector(config),
    )


def contenders(peak_hz: float, fs_hz: int = 250) -> tuple[Contender, ...]:
    """Return every contender for an individual peak, Hz, that runs at 250 or 1000 Hz."""
    narrow = (peak_hz - 3, peak_hz + 3)
    middle = (peak_hz - 5, peak_hz + 5)
    return (
        *(
            beta(band, order, "one_pole", smooth_ms)
            for band in (WIDE_HZ, middle, narrow)
            for order in (1, 2, 4)
            for smooth_ms in (25.0, 50.0, 200.0)
        ),
        beta(WIDE_HZ, 2, "moving_average", 200.0),
        beta(narrow, 2, "moving_average", 400.0),
        *(spectral(window_ms) for window_ms in (250.0, 500.0, 1000.0)),
        *(resonator(peak_hz, bandwidth_hz) for bandwidth_hz in (2.0, 4.0, 8.0)),
        Contender(
            "endpoint Hilbert, 500 ms",
            "endpoint Hilbert",
            lambda fs_hz: EndpointHilbert(fs_hz, NEVER, peak_hz=peak_hz, window_ms=500.0),
        ),
        Contender("RC+S, 14-33 Hz, 250 ms at 20 Hz", "device-like", rcs),
        *([percept(peak_hz)] if fs_hz == PERCEPT_HZ else []),
        Contender(
            "line length, 200 ms",
            "responsive",
            lambda fs_hz: LineLength(fs_hz, NEVER, short_ms=200.0, long_s=None),
        ),
        Contender(
            "half-waves of 14-39 ms, 250 ms",
            "responsive",
            lambda fs_hz: HalfWaves(fs_hz, NEVER, window_ms=250.0),
        ),
        Contender(
            BASELINE,
            "FFT window (baseline)",
            lambda fs_hz: WindowedFft(fs_hz, WIDE_HZ, 1000, 100),
        ),
        Contender(
            "FFT of 250 ms at 100 Hz",
            "FFT window (baseline)",
            lambda fs_hz: WindowedFft(fs_hz, WIDE_HZ, 250, 10),
        ),
    )


BASELINE = "FFT of 1000 ms at 10 Hz"
"""What others use by default, and what every delay is compared with."""
DEFAULT = "13-35 Hz, order 1, pole 50 ms"
"""A `BetaDetector` with no other parameters than it must have."""
