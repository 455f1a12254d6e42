"""Thresholds that follow percentiles of a detector's own level (tier: core)."""

import contextlib
import dataclasses
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stimloop_dsp._percentile import RunningPercentile
from stimloop_dsp.design import check_rate, sample_count
from stimloop_dsp.values import UNTRUSTED, Quality, Reading


class ThresholdedDetector(Protocol):
    """A detector whose two thresholds may be set while it runs."""

    thresholds: tuple[float, float]

    @property
    def unit(self) -> str: ...  # noqa: D102  as in `Detector`, and so the rest

    @property
    def delay_ms(self) -> float: ...  # noqa: D102

    @property
    def levels(self) -> npt.NDArray[np.floating]: ...  # noqa: D102

    def push(  # noqa: D102
        self, block: npt.NDArray[np.int32], first_index: int, t_us: int
    ) -> Reading: ...

    def reset(self) -> None: ...  # noqa: D102


class PercentileThresholds:
    """A detector whose thresholds are percentiles of its own level over the last minutes.

    The level drifts with medication, impedance and sleep; a percentile drifts with it. The
    histogram is frozen where the level is not the brain's alone: at flagged readings, and for a
    time after each change of stimulation that `freeze` is told of. Otherwise a detector would
    learn from what it causes.

    Levels are counted, and thresholds set, at fixed samples, so that everything is
    bit-identical however the signal was divided into blocks.

    Parameters
    ----------
    detector : ThresholdedDetector
        Its own thresholds hold until `least_s` of level have been counted.
    fs_hz : float
        Sampling rate, Hz.
    percents : tuple of float
        Percentile of each threshold, in the order of ``detector.thresholds``, 0 to 100.
    window_s : float
        How much level is remembered, s, 1 to 86 400.
    least_s : float
        How much has to be counted before the first threshold is set, s, up to `window_s`.
    every_ms : float
        Time from one counted level to the next, ms, to the nearest sample.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    G. Tinkhauser et al., Brain 140, 2017, doi 10.1093/brain/awx010 (75th percentile).
    """

    def __init__(
        self,
        detector: ThresholdedDetector,
        fs_hz: float,
        *,
        percents: tuple[float, float] = (75.0, 75.0),
        window_s: float = 600.0,
        least_s: float = 60.0,
        every_ms: float = 100.0,
    ) -> None:
        check_rate(fs_hz)
        if not (len(percents) == 2 and all(0 <= percent <= 100 for percent in percents)):
            raise ValueError(f"Percentiles of {percents} were asked for; give two of 0 to 100.")
        if not 1 <= window_s <= 86_400 or not 0 < least_s <= window_s:
            raise ValueError(
                f"A window of {window_s} s of which {least_s} s must be counted was asked for; "
                "0 < least_s <= window_s and 1 <= window_s <= 86400 must hold."
            )
        if not 0 < every_ms <= 1000 * least_s:
            raise ValueError(
                f"A level every {every_ms} ms was asked for; above 0 and up to least_s is "
                "allowed."
            )
        self._detector = detector
        self._percents = percents
        self._every = sample_count(fs_hz, every_ms)
        self._histogram = RunningPercentile(max(1, round(window_s * fs_hz / self._every)))
        self._least = max(1, round(least_s * fs_hz / self._every))
        self._fs_hz = fs_hz
        self._initial = detector.thresholds
        self._frozen = 0
        self._seen = 0
        self.levels: npt.NDArray[np.floating] = np.empty(0)

    @property
    def unit(self) -> str:
        """Unit of the level."""
        return self._detector.unit

    @property
    def delay_ms(self) -> float:
        """How far the level lags the signal, ms."""
        return self._detector.delay_ms

    @property
    def thresholds(self) -> tuple[float, float]:
        """Thresholds that the next sample meets, in the detector's order."""
        return self._detector.thresholds

    def freeze(self, duration_ms: float) -> None:
        """Count no level for a time; called when the stimulation changes.

        Parameters
        ----------
        duration_ms : float
            From now on, ms, >= 0; the longest of several holds.
        """
        if not 0 <= duration_ms <= 86_400_000:
            raise ValueError(
                f"A freeze of {duration_ms} ms was asked for; 0 to 86400000 ms are allowed."
            )
        self._frozen = max(self._frozen, round(duration_ms * self._fs_hz / 1000))

    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading:
        """Take the next block, as every `Detector` does."""
        quality = Quality.OK
        levels = []
        begin = 0
        while True:
            end = min(begin + self._every - self._seen % self._every, len(block))
            part = self._detector.push(block[begin:end], first_index + begin, t_us)
            levels.append(np.array(self._detector.levels))
            quality |= part.quality & ~Quality.WARMUP
            self._seen += end - begin
            self._frozen = max(0, self._frozen - (end - begin))
            if self._seen % self._every == 0:
                self._count(part)
            if end >= len(block):
                break
            begin = end
        self.levels = np.concatenate(levels)
        return dataclasses.replace(part, quality=quality | part.quality & Quality.WARMUP)

    def _count(self, reading: Reading) -> None:
        if self._frozen or int(reading.quality) & UNTRUSTED:
            return
        self._histogram.update(reading.level)
        if self._histogram.count >= self._least:
            first, second = (self._histogram.percentile(percent) for percent in self._percents)
            # Of a silent channel they are 0, which no detector takes: the old ones stay.
            with contextlib.suppress(ValueError):
                self._detector.thresholds = first, second

    def reset(self) -> None:
        """Forget every sample and level; the thresholds are the first ones again."""
        self._detector.reset()
        self._detector.thresholds = self._initial
        self._histogram.reset()
        self._frozen = 0
        self._seen = 0
