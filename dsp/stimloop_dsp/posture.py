"""Stimulation by posture, which an accelerometer tells (tier: core, NumPy and plain Python).

Our model of published behaviour (AdaptiveStim-like): the direction of gravity, smoothed, tells
lying from upright, and not sitting from standing; each posture has an amplitude that somebody
chose; nothing is known of the response. For comparison with a loop that is closed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

import numpy as np
import numpy.typing as npt

from stimloop_dsp.values import MISSING, Quality, Reading, Setting


@unique
class Lie(IntEnum):
    """What gravity tells of a posture: `Reading.level` of a `PostureDetector`."""

    UPRIGHT = 0
    SUPINE = 1
    PRONE = 2
    RIGHT = 3
    LEFT = 4


UPRIGHT_G: Final = 0.7
"""Towards the feet at least: within 45 degrees."""


class PostureDetector:
    """The way somebody lies or stands, from an accelerometer's three axes.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz, > 0.
    uv_per_g : float
        What the accelerometer gives, µV/g, > 0.
    smooth_ms : float
        Time constant of the smoothing, ms, > 0.
    stay_ms : float
        How long a new posture has to stay before it counts, ms, >= 0.

    Attributes
    ----------
    unit : str
        ``"posture"``: the level is a `Lie`.
    delay_ms : float
        Smoothing and stay, ms.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    unit = "posture"

    def __init__(
        self,
        fs_hz: float,
        uv_per_g: float = 1000.0,
        smooth_ms: float = 500.0,
        stay_ms: float = 1000.0,
    ) -> None:
        for name, value in (
            ("fs_hz", fs_hz),
            ("uv_per_g", uv_per_g),
            ("smooth_ms", smooth_ms),
            ("stay_ms", stay_ms + 1e-9),
        ):
            if not 0 < value < math.inf:
                raise ValueError(
                    f"{name} of {value:g} was asked for; give a finite positive one"
                )
        self.delay_ms = smooth_ms + stay_ms
        self._fs_hz = fs_hz
        self._nv_per_g = 1000.0 * uv_per_g
        self._smooth_s = smooth_ms / 1000
        self._stay = round(stay_ms * fs_hz / 1000)
        self.reset()

    def reset(self) -> None:
        """Forget every sample."""
        self._gravity_g = np.zeros(3)
        self._posture = self._candidate = Lie.UPRIGHT
        self._stayed = 0
        self._next = -1

    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading:
        """Take the next block: shape (n, 3), nV; towards feet, right, back."""
        quality = Quality.OK
        if self._next not in (-1, first_index):
            quality |= Quality.GAP
        count = len(block)
        self._next = first_index + count
        if (block == MISSING).any():
            quality |= Quality.HELD
        else:
            mean_g = block.mean(axis=0) / self._nv_per_g
            keep = math.exp(-count / self._fs_hz / self._smooth_s)
            self._gravity_g = mean_g + keep * (self._gravity_g - mean_g)
        seen = self._seen()
        self._stayed = self._stayed + count if seen is self._candidate else count
        self._candidate = seen
        if self._stayed >= self._stay:
            self._posture = seen
        lying = self._posture is not Lie.UPRIGHT
        return Reading(self._next - 1, t_us, float(self._posture), lying, 0, quality=quality)

    def _seen(self) -> Lie:
        feet, right, back = self._gravity_g.tolist()
        if feet >= UPRIGHT_G or max(abs(right), abs(back)) < 1e-9:
            return Lie.UPRIGHT
        if abs(back) >= abs(right):
            return Lie.SUPINE if back > 0 else Lie.PRONE
        return Lie.RIGHT if right > 0 else Lie.LEFT


@dataclass(kw_only=True, eq=False)
class PostureScheduled:
    """An amplitude for each posture, reached by a ramp.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next, µs, > 0.
    period_us : int
        Pulse period, µs, > 0; it is handed on.
    amplitudes_ua : mapping of Lie to int
        For each posture, µA, 0 or more. The output begins at 0.
    rise_ua_s, fall_ua_s : int
        Ramps, µA/s, > 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or a posture has no amplitude.
    """

    tick_us: int
    period_us: int
    amplitudes_ua: Mapping[Lie, int]
    rise_ua_s: int
    fall_ua_s: int

    def __post_init__(self) -> None:
        for name in ("tick_us", "period_us", "rise_ua_s", "fall_ua_s"):
            value = getattr(self, name)
            if value <= 0:
                raise ValueError(f"{name} of {value} was asked for; give a number above 0.")
        missing = [lie.name.lower() for lie in Lie if lie not in self.amplitudes_ua]
        if missing:
            raise ValueError(
                f"No amplitude was given for {', '.join(missing)}; give one for each posture."
            )
        if min(self.amplitudes_ua.values()) < 0:
            raise ValueError("An amplitude below 0 µA was given for a posture; give 0 or more.")
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._output_ua = 0.0

    def update(self, reading: Reading) -> Setting:
        """Take the next reading; one that cannot be trusted leaves the output as it is."""
        if reading.quality == Quality.OK:
            goal_ua = self.amplitudes_ua[Lie(int(reading.level))]
            tick_s = self.tick_us / 1e6
            if goal_ua > self._output_ua:
                self._output_ua = min(self._output_ua + self.rise_ua_s * tick_s, goal_ua)
            else:
                self._output_ua = max(self._output_ua - self.fall_ua_s * tick_s, goal_ua)
        return Setting(round(self._output_ua), self.period_us)
