"""Settings of the Summit RC+S embedded pipeline, by the names of its logs (tier: offline).

Compatible with the published behaviour of Medtronic's Summit RC+S; not affiliated with its
maker.
Field names are those of the device's JSON logs, so that a log can be compared line by line.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

RATES_HZ: Final = (250, 500, 1000)
"""Sampling rates of the time domain, Hz."""

TRUE_SAMPLES: Final = {64: 62, 256: 250, 1024: 1000}
"""Samples that really enter an FFT of each size; the rest is zeros."""

COUNTS_PER_VOLT: Final = 48644.8683623726
"""Of the converter, before the amplifier's gain."""

HOLD_MA: Final = 25.5
"""Amplitude of a state that leaves the amplitude where it is, mA."""

OVERRANGE: Final = 2.2e8
"""Band power before the shift beyond which a channel is over range; about, from bench tests."""

_SMOOTH_SHARE = {2: 1, 22: 2, 42: 4}


def _refuse(name: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"{name} of {value!r} was asked for; {allowed}. Choose one of these.")


@dataclass(frozen=True, slots=True)
class FftConfig:
    """How band power is computed.

    Attributes
    ----------
    size : int
        FFT size: 64, 256 or 1024 points, of which 62, 250 or 1000 are samples.
    interval : int
        Time from one FFT to the next, ms, 50 to 10 000.
    windowLoad : int
        Hann over the whole window (2), over half of it (22) or over a quarter (42).
    bandFormationConfig : int
        8 to 15: powers are divided by ``2 ** (bandFormationConfig - 7)`` before they are added.

    Raises
    ------
    ValueError
        If a field is outside its range.
    """

    size: int = 256
    interval: int = 100
    windowLoad: int = 2
    bandFormationConfig: int = 8

    def __post_init__(self) -> None:
        if self.size not in TRUE_SAMPLES:
            raise _refuse("size", self.size, "64, 256 and 1024 are allowed")
        if not 50 <= self.interval <= 10_000:
            raise _refuse("interval", self.interval, "50 to 10000 ms are allowed")
        if self.windowLoad not in _SMOOTH_SHARE:
            raise _refuse("windowLoad", self.windowLoad, "2, 22 and 42 are allowed")
        if not 8 <= self.bandFormationConfig <= 15:
            raise _refuse(
                "bandFormationConfig", self.bandFormationConfig, "8 to 15 are allowed"
            )

    @property
    def samples(self) -> int:
        """Samples in a window."""
        return TRUE_SAMPLES[self.size]

    @property
    def divisor(self) -> int:
        """What a bin's power is divided by before it is rounded down."""
        return int(2 ** (self.bandFormationConfig - 7))

    def window(self) -> npt.NDArray[np.float64]:
        """Hann window over the true samples, shape (samples,); its flat part is 1."""
        phase = 2 * np.pi * np.arange(self.samples) / self.samples
        share = _SMOOTH_SHARE[self.windowLoad]
        hann = (1 - np.cos(share * phase)) / 2
        if share > 1:
            first = self.samples / (2 * share)  # where the cosine peaks first, and last
            hann[math.ceil(first) : math.floor(self.samples - first) + 1] = 1.0
        return hann


@dataclass(frozen=True, slots=True)
class PowerBand:
    """A band of FFT bins, both ends included.

    Attributes
    ----------
    start, stop : int
        First and last bin, 0 <= start <= stop < size / 2.
    channel : int
        The block's column, >= 0.
    """

    start: int
    stop: int
    channel: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop < 512:
            raise ValueError(
                f"Bins {self.start} to {self.stop} were asked for; 0 <= start <= stop < 512 "
                "must hold. Choose bins of the FFT."
            )
        if self.channel < 0:
            raise _refuse("channel", self.channel, "columns count from 0")


@dataclass(frozen=True, slots=True)
class Feature:
    """What a detector makes of one power: ``weight * multiply * (power - subtract)``."""

    weightVector: float = 1.0
    normalizationMultiplyVector: float = 1.0
    normalizationSubtractVector: float = 0.0

    def __post_init__(self) -> None:
        parts = (
            self.weightVector,
            self.normalizationMultiplyVector,
            self.normalizationSubtractVector,
        )
        if not all(map(math.isfinite, parts)):
            raise _refuse("A feature", self, "finite numbers are allowed")


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """A linear detector.

    Attributes
    ----------
    biasTerm : tuple of float
        Lower and upper threshold of the output.
    features : tuple of Feature
        One to four.
    inputs : tuple of int
        Index of the power band of each feature, 0 to 7.
    updateRate : int
        Powers averaged for one output, >= 1.
    onsetDuration, terminationDuration : int
        Outputs in a row that a higher, or lower, class needs; 0 is 1.
    holdoffTime : int
        Outputs after the start that are not judged.
    blankingDurationUponStateChange : int
        Powers after a change of state during which output and state stand.
    dual : bool
        Bit 0 of the device's ``detectionEnable``: two thresholds; else the lower alone.
    blank_both : bool
        Bit 1: a change blanks the other detector too.

    Raises
    ------
    ValueError
        If a field is outside its range.
    """

    biasTerm: tuple[float, float]
    features: tuple[Feature, ...] = (Feature(),)
    inputs: tuple[int, ...] = (0,)
    updateRate: int = 1
    onsetDuration: int = 0
    terminationDuration: int = 0
    holdoffTime: int = 0
    blankingDurationUponStateChange: int = 0
    dual: bool = True
    blank_both: bool = False

    def __post_init__(self) -> None:
        low, high = self.biasTerm
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(
                f"biasTerm of {self.biasTerm} was asked for; give two finite thresholds, the "
                "lower one first."
            )
        if not 1 <= len(self.features) <= 4 or len(self.inputs) != len(self.features):
            raise ValueError(
                f"{len(self.features)} features of {len(self.inputs)} inputs were asked for; "
                "one to four are allowed. Give one input for each feature."
            )
        if not all(0 <= i < 8 for i in self.inputs):
            raise _refuse("inputs", self.inputs, "power bands count from 0 to 7")
        if not 1 <= self.updateRate <= 65535:
            raise _refuse("updateRate", self.updateRate, "1 to 65535 are allowed")
        for name in (
            "onsetDuration",
            "terminationDuration",
            "holdoffTime",
            "blankingDurationUponStateChange",
        ):
            if not 0 <= getattr(self, name) <= 65535:
                raise _refuse(name, getattr(self, name), "0 to 65535 are allowed")


@dataclass(frozen=True, slots=True)
class AdaptiveConfig:
    """What each combined state orders of one program.

    Attributes
    ----------
    states : tuple of float
        Target amplitude of states 0 to 8, mA, 0 to 25.5; 25.5 is HOLD, the amplitude stays.
        The combined state is that of detector 0 plus three times that of detector 1.
    rise, fall : int
        Speed of a ramp, in 1/65536 mA/s, > 0.

    Raises
    ------
    ValueError
        If a field is outside its range.
    """

    states: tuple[float, ...]
    rise: int
    fall: int

    def __post_init__(self) -> None:
        if len(self.states) != 9 or not all(0 <= ma <= HOLD_MA for ma in self.states):
            raise ValueError(
                f"States of {self.states} mA were asked for; give nine of 0 to 25.5 mA, with "
                "25.5 for HOLD."
            )
        if self.rise <= 0 or self.fall <= 0:
            raise ValueError(
                f"Ramps of {self.rise} up and {self.fall} down were asked for; give whole "
                "numbers above 0, 65536 for 1 mA/s."
            )


class StateRamp:
    """One program's amplitude, packet by packet, as the state changes.

    A ramp begins at the packet that tells the change, so that its first step shows one packet
    later, and it begins at the amplitude of that packet, wherever a ramp before it had got to.

    Parameters
    ----------
    config : AdaptiveConfig
    interval_ms : float
        Time from packet to packet, ms, > 0.
    amplitude_ma : float
        Where it starts, mA, 0 to 25.5.
    """

    def __init__(
        self, config: AdaptiveConfig, interval_ms: float, amplitude_ma: float = 0.0
    ) -> None:
        if not 0 < interval_ms < math.inf:
            raise _refuse("interval_ms", interval_ms, "finite times above 0 are allowed")
        if not 0 <= amplitude_ma <= HOLD_MA:
            raise _refuse("amplitude_ma", amplitude_ma, "0 to 25.5 mA are allowed")
        self._config = config
        self._rise_ma = config.rise / 65536 * interval_ms / 1000
        self._fall_ma = config.fall / 65536 * interval_ms / 1000
        self._state: int | None = None
        self._from_ma = self.amplitude_ma = amplitude_ma
        self._packets = 0

    def update(self, state: int) -> float:
        """Take the next packet's combined state.

        Parameters
        ----------
        state : int
            0 to 8.

        Returns
        -------
        float
            Amplitude at this packet, mA.
        """
        if not 0 <= state < 9:
            raise _refuse("state", state, "0 to 8 are allowed")
        if self._state is not None:
            target_ma = self._config.states[self._state]
            self._packets += 1
            if target_ma == HOLD_MA:
                pass
            elif target_ma >= self._from_ma:
                self.amplitude_ma = min(
                    target_ma, self._from_ma + self._rise_ma * self._packets
                )
            else:
                self.amplitude_ma = max(
                    target_ma, self._from_ma - self._fall_ma * self._packets
                )
        if state != self._state:
            self._state, self._from_ma, self._packets = state, self.amplitude_ma, 0
        return self.amplitude_ma


def decode_output(logged: int, fixed_point: int) -> float:
    """Value of a detector's output or threshold as the device logs it.

    Parameters
    ----------
    logged : int
        Unsigned number of 32 bits in the log.
    fixed_point : int
        ``fractionalFixedPointValue`` of the detector, 0 to 31.
    """
    if not (0 <= logged < 2**32 and 0 <= fixed_point < 32):
        raise _refuse("output", (logged, fixed_point), "32 bits and 0 to 31 are allowed")
    signed = logged - 2**32 if logged >= 2**31 else logged
    return float(signed / 2**fixed_point)


def counts_per_mv(trim: int = 255) -> float:
    """Counts that the power computation works in, per mV at the electrodes.

    Parameters
    ----------
    trim : int
        The channel's gain trim, ``HT_sns_ampX_gain250_trim`` of the device's factory settings,
        1 to 255.

    Raises
    ------
    ValueError
        If the trim is outside its range.
    """
    if not 1 <= trim <= 255:
        raise _refuse("trim", trim, "1 to 255 are allowed")
    return 250 * (trim / 255) * COUNTS_PER_VOLT / (1000 * 1.2)
