"""A Percept-like adaptive therapy: settings, capture of thresholds, ramps (tier: core).

Like the published description of Medtronic's Percept with BrainSense; not affiliated with its
maker, and not its firmware: what is published are the parameters and what they mean, not the
arithmetic. Field names are those of the device's JSON reports.
"""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Final, Protocol

import numpy as np

from stimloop_dsp.controllers import UNTRUSTED
from stimloop_dsp.values import Reading, Setting

FS_HZ: Final = 250
"""Sampling rate of the time domain, Hz."""

BAND_HZ: Final = 5.0
"""Width of the band, Hz, around its centre."""

BAND_RANGE_HZ: Final = (8.0, 30.0)
"""What the whole band lies within, Hz."""

THRESHOLD_RANGE_UV: Final = (0.55, 400.0)
"""What a threshold lies within, µV rms."""

MOST_MA: Final = 25.5
"""Greatest amplitude limit, mA."""

CAPTURE_S: Final = 30.0
"""How long the level is averaged at each amplitude limit, s."""

LEAST_RATIO: Final = 1.1
"""Least ratio of the levels captured at the lower and at the upper limit; our own choice."""

SINGLE_SHARE: Final = 0.75
"""Where the single threshold lies, from the lower captured level to the upper."""


def _refuse(name: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"{name} of {value!r} was asked for; {allowed}. Choose one of these.")


@dataclass(frozen=True, slots=True)
class PerceptConfig:
    """One hemisphere's adaptive therapy; the defaults are those of the dual threshold.

    With two thresholds the amplitude rises above the upper, falls below the lower and stays
    between. With one, both being equal, it rises at or above it and falls below.

    Attributes
    ----------
    FrequencyInHertz : float
        Centre of the band, Hz; the band is 5 Hz wide, whole within 8 to 30 Hz.
    LowerLfpThreshold, UpperLfpThreshold : float
        µV rms, 0.55 to 400, lower <= upper.
    LowerLimitInMilliAmps, UpperLimitInMilliAmps : float
        Amplitude, mA, 0 to 25.5, lower <= upper.
    SuspendAmplitudeInMilliAmps : float
        Amplitude while paused, mA, between the limits.
    AveragingDurationInMilliSeconds : int
        0 to 30 000.
    UpperThresholdOnsetInMilliSeconds, LowerThresholdOnsetInMilliSeconds : int
        How long the level is beyond a threshold before that counts; 0 to 360 000 with two
        thresholds, 0 to 30 000 with one.
    DetectionBlankingDurationInMilliSeconds : int
        How long after a change of state nothing changes, 0 to 30 000.
    TransitionUpInMilliSeconds, TransitionDownInMilliSeconds : int
        From limit to limit, 250 to 1 800 000.
    AdaptiveStartupDelayInMilliSeconds : int
        How long the amplitude stays suspended at the start, 0 to 60 000.

    Raises
    ------
    ValueError
        If a field is outside its range.

    References
    ----------
    FDA, Summary of Safety and Effectiveness Data P960009/S478, table 2 (ranges).
    S. Stanslaski et al., npj Parkinson's Disease 10, 2024, doi 10.1038/s41531-024-00772-5
    (modes and defaults).
    """

    FrequencyInHertz: float
    LowerLfpThreshold: float
    UpperLfpThreshold: float
    LowerLimitInMilliAmps: float
    UpperLimitInMilliAmps: float
    SuspendAmplitudeInMilliAmps: float
    _: KW_ONLY
    AveragingDurationInMilliSeconds: int = 1200
    UpperThresholdOnsetInMilliSeconds: int = 1200
    LowerThresholdOnsetInMilliSeconds: int = 1200
    DetectionBlankingDurationInMilliSeconds: int = 2000
    TransitionUpInMilliSeconds: int = 150_000
    TransitionDownInMilliSeconds: int = 300_000
    AdaptiveStartupDelayInMilliSeconds: int = 10_000

    @classmethod
    def single(
        cls,
        centre_hz: float,
        threshold_uv: float,
        limits_ma: tuple[float, float],
        suspend_ma: float,
    ) -> "PerceptConfig":
        """Return a therapy of one threshold with its defaults.

        Parameters
        ----------
        centre_hz, threshold_uv, suspend_ma : float
            Centre of the band, Hz; threshold, µV rms; amplitude while paused, mA.
        limits_ma : tuple of float
            Lower and upper amplitude, mA.
        """
        return cls(
            centre_hz,
            threshold_uv,
            threshold_uv,
            *limits_ma,
            suspend_ma,
            AveragingDurationInMilliSeconds=100,
            UpperThresholdOnsetInMilliSeconds=200,
            LowerThresholdOnsetInMilliSeconds=200,
            DetectionBlankingDurationInMilliSeconds=550,
            TransitionUpInMilliSeconds=250,
            TransitionDownInMilliSeconds=250,
            AdaptiveStartupDelayInMilliSeconds=0,
        )

    def __post_init__(self) -> None:
        low_hz, high_hz = self.band_hz
        if not BAND_RANGE_HZ[0] <= low_hz < high_hz <= BAND_RANGE_HZ[1]:
            raise _refuse("FrequencyInHertz", self.FrequencyInHertz, "10.5 to 27.5 are allowed")
        least, most = THRESHOLD_RANGE_UV
        if not least <= self.LowerLfpThreshold <= self.UpperLfpThreshold <= most:
            raise ValueError(
                f"Thresholds of {self.LowerLfpThreshold} to {self.UpperLfpThreshold} µV rms "
                f"were asked for; {least} <= lower <= upper <= {most} must hold. Capture them "
                "again."
            )
        limits_ma = self.LowerLimitInMilliAmps, self.UpperLimitInMilliAmps
        if not 0 <= limits_ma[0] <= limits_ma[1] <= MOST_MA:
            raise ValueError(
                f"Limits of {limits_ma[0]} to {limits_ma[1]} mA were asked for; 0 <= lower <= "
                f"upper <= {MOST_MA} must hold. Choose other limits."
            )
        if not limits_ma[0] <= self.SuspendAmplitudeInMilliAmps <= limits_ma[1]:
            raise _refuse(
                "SuspendAmplitudeInMilliAmps",
                self.SuspendAmplitudeInMilliAmps,
                f"{limits_ma[0]} to {limits_ma[1]} mA, the limits, are allowed",
            )
        most_onset = 360_000 if self.dual else 30_000
        for name, low, high in (
            ("AveragingDurationInMilliSeconds", 0, 30_000),
            ("UpperThresholdOnsetInMilliSeconds", 0, most_onset),
            ("LowerThresholdOnsetInMilliSeconds", 0, most_onset),
            ("DetectionBlankingDurationInMilliSeconds", 0, 30_000),
            ("TransitionUpInMilliSeconds", 250, 1_800_000),
            ("TransitionDownInMilliSeconds", 250, 1_800_000),
            ("AdaptiveStartupDelayInMilliSeconds", 0, 60_000),
        ):
            if not low <= getattr(self, name) <= high:
                raise _refuse(name, getattr(self, name), f"{low} to {high} are allowed")

    @property
    def dual(self) -> bool:
        """Whether there are two thresholds."""
        return self.LowerLfpThreshold < self.UpperLfpThreshold

    @property
    def band_hz(self) -> tuple[float, float]:
        """Lower and upper end of the band, Hz."""
        return self.FrequencyInHertz - BAND_HZ / 2, self.FrequencyInHertz + BAND_HZ / 2

    @property
    def fft_samples(self) -> int:
        """Samples of an FFT."""
        return 256 if self.dual else 64

    @property
    def updates_hz(self) -> int:
        """FFTs per second."""
        return 5 if self.dual else 20

    def updates(self, duration_ms: float) -> int:
        """FFTs in a duration, ms, to the nearest."""
        return round(duration_ms * self.updates_hz / 1000)


def capture_level(readings: Sequence[Reading], capture_s: float = CAPTURE_S) -> float:
    """Level at one amplitude limit: the mean of the readings of a capture.

    Set the amplitude to the limit, wait until patient and detector have settled, then collect
    the readings of `capture_s`.

    Parameters
    ----------
    readings : sequence of Reading
        In their order, at least two.
    capture_s : float
        How long they have to last, s, > 0.

    Returns
    -------
    float
        Mean level, in the readings' unit.

    Raises
    ------
    ValueError
        If they last for less, or a tenth or more of them is flagged.
    """
    lasted_s = (readings[-1].t_us - readings[0].t_us) * 1e-6 if readings else 0.0
    if lasted_s < capture_s * (1 - 1 / max(2, len(readings))):
        raise ValueError(
            f"A capture of {lasted_s:g} s was given; {capture_s:g} s are needed. Collect "
            "readings for longer."
        )
    good = [r.level for r in readings if not int(r.quality) & UNTRUSTED]
    if len(good) <= 0.9 * len(readings):
        raise ValueError(
            f"{len(readings) - len(good)} of {len(readings)} readings of the capture are "
            "flagged; fewer than a tenth are allowed. Let the detector settle, look at the "
            "lead, and capture again."
        )
    return float(np.mean(good))


def captured_thresholds(
    at_lower_limit_uv: float, at_upper_limit_uv: float, *, dual: bool = True
) -> tuple[float, float]:
    """Thresholds from the levels captured at both amplitude limits.

    Little stimulation leaves a high level: what was captured at the lower limit becomes the
    upper threshold, and what was captured at the upper limit the lower. A single threshold
    lies three quarters of the way up.

    Parameters
    ----------
    at_lower_limit_uv, at_upper_limit_uv : float
        Level captured at the lower and at the upper amplitude limit, µV rms.
    dual : bool
        Whether two thresholds are wanted.

    Returns
    -------
    tuple of float
        Lower and upper threshold, µV rms; the same twice if one is wanted.

    Raises
    ------
    ValueError
        If stimulation did not lower the level, by a factor of `LEAST_RATIO` at least, or a
        threshold is outside `THRESHOLD_RANGE_UV`.
    """
    least, most = THRESHOLD_RANGE_UV
    if not at_lower_limit_uv >= LEAST_RATIO * at_upper_limit_uv > 0:
        raise ValueError(
            f"{at_lower_limit_uv:g} µV were captured at the lower limit and "
            f"{at_upper_limit_uv:g} µV at the upper; the former must be {LEAST_RATIO} times "
            "the latter or more. Choose a band that stimulation suppresses, or limits further "
            "apart."
        )
    if at_upper_limit_uv < least or at_lower_limit_uv > most:
        raise ValueError(
            f"Thresholds of {at_upper_limit_uv:g} to {at_lower_limit_uv:g} µV rms were "
            f"captured; {least} to {most} are allowed. Sense with other contacts."
        )
    if dual:
        return at_upper_limit_uv, at_lower_limit_uv
    single_uv = at_upper_limit_uv + SINGLE_SHARE * (at_lower_limit_uv - at_upper_limit_uv)
    return single_uv, single_uv


class _StateDetector(Protocol):
    @property
    def state(self) -> int: ...


class PerceptController:
    """Amplitude by the state of a `PerceptDetector`, in ramps.

    State 1 ramps to the upper limit, -1 to the lower; 0 leaves the amplitude. Transition times
    are those of the whole way from limit to limit. After a flagged reading, and at the start
    until its delay has passed, the amplitude goes to the suspend amplitude.

    Parameters
    ----------
    config : PerceptConfig
    detector : PerceptDetector
        The one whose readings are given.
    tick_us : int
        Time from one update to the next, µs, > 0.
    period_us : int
        Pulse period, µs, > 0.
    step_ua : int
        Steps that the amplitude is told in, µA, > 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    def __init__(
        self,
        config: PerceptConfig,
        detector: _StateDetector,
        *,
        tick_us: int,
        period_us: int,
        step_ua: int = 100,
    ) -> None:
        if not 0 < tick_us < math.inf or not 0 < period_us < math.inf or step_ua <= 0:
            raise ValueError(
                f"A tick of {tick_us} µs, a period of {period_us} µs and steps of {step_ua} µA "
                "were asked for; all must be above 0."
            )
        self.tick_us = tick_us
        self.period_us = period_us
        self.step_ua = step_ua
        self._detector = detector
        self._limits_ua = (
            1000 * config.LowerLimitInMilliAmps,
            1000 * config.UpperLimitInMilliAmps,
        )
        self._suspend_ua = 1000 * config.SuspendAmplitudeInMilliAmps
        span_ua = self._limits_ua[1] - self._limits_ua[0]
        self._up_ua = span_ua * tick_us / (1000 * config.TransitionUpInMilliSeconds)
        self._down_ua = span_ua * tick_us / (1000 * config.TransitionDownInMilliSeconds)
        self._startup_ticks = math.ceil(
            1000 * config.AdaptiveStartupDelayInMilliSeconds / tick_us
        )
        self._output_ua = self._suspend_ua
        self._ticks = 0

    def update(self, reading: Reading) -> Setting:
        """Take the next reading."""
        self._ticks += 1
        if self._ticks <= self._startup_ticks or int(reading.quality) & UNTRUSTED:
            target_ua = self._suspend_ua
        elif self._detector.state == 0:
            target_ua = self._output_ua
        else:
            target_ua = self._limits_ua[self._detector.state > 0]
        self._output_ua = min(
            max(target_ua, self._output_ua - self._down_ua), self._output_ua + self._up_ua
        )
        stepped_ua = self.step_ua * round(self._output_ua / self.step_ua)
        low_ua, high_ua = self._limits_ua
        return Setting(round(min(max(stepped_ua, low_ua), high_ua)), self.period_us)

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._output_ua = self._suspend_ua
        self._ticks = 0
