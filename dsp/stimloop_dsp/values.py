"""The values that pass between detector, controller and their callers.

Blocks of samples are ``int32`` arrays of shape ``(n, channels)``, nV, C-contiguous; they may be
read-only. Detectors and controllers know no clock and no randomness: their state changes only
by the calls below, so that a recording replays bit for bit.
"""

import math
from dataclasses import dataclass
from enum import Flag, IntFlag, auto
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

MISSING: Final = -(2**31)
"""The ``int32`` sample that has no value, as NaN has none in a file; a detector holds it."""


class Quality(IntFlag):
    """What is to be known about a reading before it is believed.

    All flags but ``WARMUP`` are the union over the samples of the block, so that none is lost
    between two readings.
    """

    OK = 0
    WARMUP = 1
    """The filters have not settled yet at the last sample."""
    HELD = 2
    """A sample was replaced by the last good one: missing, not a number, or saturated."""
    SATURATED = 4
    """A held sample was beyond the saturation limit."""
    GAP = 8
    """The block does not follow the one before it."""
    ARTEFACT = 16
    """The signal is not the brain's: over range, or the same number for a second."""
    STIM = 32
    """A stimulation pulse falls into the block."""
    MAGNET = 64
    """A magnet is held to the device; no detector says so, whoever hears of it adds it."""


UNTRUSTED: Final = (
    Quality.WARMUP | Quality.HELD | Quality.SATURATED | Quality.GAP | Quality.ARTEFACT
).value
"""A reading with one of these flags is not to be acted upon."""


class Aspect(Flag):
    """What a detector tells besides a level, and what a controller asks for."""

    NONE = 0
    DECISION = auto()
    """``active``, by a threshold."""
    THREE_STATES = auto()
    """``state`` -1, 0 or 1: below, between and above."""
    NINE_STATES = auto()
    """``state`` 0 to 8, of two detectors of three states."""
    PHASE = auto()
    """``phase_rad``."""
    EVOKED = auto()
    """The response that a pulse evokes, as the level."""
    HEART_RATE = auto()
    """The rate of the heart as the level, bpm."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a detector says after a block of samples.

    Attributes
    ----------
    index : int
        Index of the block's last sample, which all of the below is about.
    t_us : int
        Its time on the device's clock, µs.
    level : float
        The biomarker, in the detector's ``unit``.
    active : bool
        The detector's decision.
    active_ms : int
        How long it has been active, ms; 0 while it is not.
    phase_rad : float
        Phase of the oscillation in (-pi, pi], rad; ``math.nan`` if the detector tells none.
    quality : Quality
        Flags; ``Quality.OK`` if there are none.
    state : int
        Which class the signal is in, for a detector that tells more than `active`; else 0.
    """

    index: int
    t_us: int
    level: float
    active: bool
    active_ms: int
    phase_rad: float = math.nan
    quality: Quality = Quality.OK
    state: int = 0

    @property
    def is_trusted(self) -> bool:
        """Whether the level is a number and no flag speaks against acting upon it."""
        return math.isfinite(self.level) and not int(self.quality) & UNTRUSTED


@dataclass(frozen=True, slots=True)
class Setting:
    """What a controller wants of the pulse generator.

    Attributes
    ----------
    amplitude_ua : int
        Pulse amplitude, µA.
    period_us : int
        Time from pulse to pulse, µs.
    at_us : int
        Device time of the first pulse so changed, µs; 0 is the next pulse.
    count : int
        Number of pulses it holds for; 0 is until changed.
    """

    amplitude_ua: int
    period_us: int
    at_us: int = 0
    count: int = 0


class Detector(Protocol):
    """Turns blocks of samples into readings of one biomarker."""

    @property
    def unit(self) -> str:
        """Unit of ``Reading.level``."""

    @property
    def delay_ms(self) -> float:
        """How far the level lags the signal, ms."""

    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading:
        """Take the next block.

        Parameters
        ----------
        block : ndarray of int32, shape (n, channels)
            Samples, nV, n >= 1; ``MISSING`` where there is none.
        first_index : int
            Index of the block's first sample.
        t_us : int
            Device time of the block's last sample, µs.
        """

    def reset(self) -> None:
        """Forget every sample; parameters and thresholds stay."""


class Controller(Protocol):
    """Turns readings into the wanted stimulation, once per tick."""

    @property
    def tick_us(self) -> int:
        """Time from one update to the next, µs."""

    def update(self, reading: Reading) -> Setting:
        """Take the next reading."""

    def reset(self) -> None:
        """Return to the state before the first reading."""
