"""A Percept-like adaptive therapy: its settings, and the capture of thresholds (tier: offline).

Like the published description of Medtronic's Percept with BrainSense; not affiliated with its
maker, and not its firmware: what is published are the parameters and what they mean, not the
arithmetic. Field names are those of the device's JSON reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from stimloop_dsp.values import Reading

FS_HZ: Final = 250
"""Sampling rate of the time domain, Hz."""

BAND_HZ: Final = 5.0
"""Width of the band, Hz, around its centre."""

BAND_RANGE_HZ: Final = (8.0, 30.0)
"""What the whole band lies within, Hz."""

CENTRE_RANGE_HZ: Final = (10.5, 27.5)
"""What its centre therefore lies within, Hz."""

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


RANGES_MS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "AveragingDurationInMilliSeconds": (0, 30_000),
        "UpperThresholdOnsetInMilliSeconds": (0, 360_000),
        "LowerThresholdOnsetInMilliSeconds": (0, 360_000),
        "DetectionBlankingDurationInMilliSeconds": (0, 30_000),
        "TransitionUpInMilliSeconds": (250, 1_800_000),
        "TransitionDownInMilliSeconds": (250, 1_800_000),
        "AdaptiveStartupDelayInMilliSeconds": (0, 60_000),
    }
)
"""What each duration lies within, ms; the startup delay's limit is our own choice."""

SINGLE_ONSET_MS: Final = 30_000
"""Longest onset with one threshold, ms."""

DUAL_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "AveragingDurationInMilliSeconds": 1200,
        "UpperThresholdOnsetInMilliSeconds": 1200,
        "LowerThresholdOnsetInMilliSeconds": 1200,
        "DetectionBlankingDurationInMilliSeconds": 2000,
        "TransitionUpInMilliSeconds": 150_000,
        "TransitionDownInMilliSeconds": 300_000,
        "AdaptiveStartupDelayInMilliSeconds": 10_000,
    }
)
"""Defaults with two thresholds, ms."""

SINGLE_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "AveragingDurationInMilliSeconds": 100,
        "UpperThresholdOnsetInMilliSeconds": 200,
        "LowerThresholdOnsetInMilliSeconds": 200,
        "DetectionBlankingDurationInMilliSeconds": 550,
        "TransitionUpInMilliSeconds": 250,
        "TransitionDownInMilliSeconds": 250,
        "AdaptiveStartupDelayInMilliSeconds": 0,
    }
)
"""Defaults with one threshold, ms."""


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
    AveragingDurationInMilliSeconds: int = DUAL_MS["AveragingDurationInMilliSeconds"]
    UpperThresholdOnsetInMilliSeconds: int = DUAL_MS["UpperThresholdOnsetInMilliSeconds"]
    LowerThresholdOnsetInMilliSeconds: int = DUAL_MS["LowerThresholdOnsetInMilliSeconds"]
    DetectionBlankingDurationInMilliSeconds: int = DUAL_MS[
        "DetectionBlankingDurationInMilliSeconds"
    ]
    TransitionUpInMilliSeconds: int = DUAL_MS["TransitionUpInMilliSeconds"]
    TransitionDownInMilliSeconds: int = DUAL_MS["TransitionDownInMilliSeconds"]
    AdaptiveStartupDelayInMilliSeconds: int = DUAL_MS["AdaptiveStartupDelayInMilliSeconds"]

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
            **SINGLE_MS,
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
        for name, (low, most) in RANGES_MS.items():
            onset = name.endswith("ThresholdOnsetInMilliSeconds")
            high = SINGLE_ONSET_MS if onset and not self.dual else most
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
    good = [reading.level for reading in readings if reading.is_trusted]
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
