"""A patient's day: levodopa, night, movement and wandering, in steps of a second.

All of them move the growth rate of the beta oscillation, none of them hears stimulation, and
both hemispheres share them. In 1/s, added to lambda_0:

    - tone_per_s M(t) - night_per_s N(t) + W(t) + movement(t)

Levodopa is swallowed at the hours of the schedule, every day, and reaches its effect after a
lag through one compartment (gut) into another (effect site); the dopaminergic tone M is a
saturating function of the second:

    dG = -G dt / absorption,    dC = (G / absorption - C / elimination) dt,
    M = C^h / (C^h + half^h)

The solution is taken in closed form (Bateman), so a second costs the same whenever it is asked
for. N is 1 at night with smooth dusk and dawn, W an Ornstein-Uhlenbeck process of minutes to
hours for all that has no clock, movement a desynchronisation and the rebound after it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stimloop_sim._noise import Noise
from stimloop_sim.parameter import Origin, PatientError, check, parameter

CHUNK_S = 3600
"""A course is worked out for so many seconds at a time."""
_DAY_S = 86_400
_MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What happens to a patient within a day; by default nothing does.

    Attributes
    ----------
    doses_h : tuple of float
        Times of day at which levodopa is taken, h, 0 to below 24; the same every day, also
        before the patient is looked at.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    start_h: float = parameter(
        8.0, "h", 0, 24, Origin.CHOICE, "time of day at the first sample"
    )
    doses_h: tuple[float, ...] = ()
    lag_min: float = parameter(
        25.0, "min", 0, 120, Origin.CHOICE, "from swallowing to the first absorption"
    )
    absorption_min: float = parameter(
        20.0, "min", 1, 120, Origin.CHOICE, "time constant of absorption"
    )
    elimination_min: float = parameter(
        75.0, "min", 2, 600, Origin.CHOICE, "time constant of the effect's end"
    )
    half: float = parameter(
        0.25, "dose", 0.01, 10, Origin.CHOICE, "amount at the effect site of half the tone"
    )
    steepness: float = parameter(3.0, "", 1, 20, Origin.CHOICE, "exponent h of the tone")
    tone_per_s: float = parameter(
        2.16, "1/s", 0, 20, Origin.FITTED, "growth rate taken away by full tone"
    )
    tone_calm: float = parameter(
        0.205, "", 0, 1, Origin.FITTED, "share of the drift taken away by full tone"
    )
    night_per_s: float = parameter(
        0.0, "1/s", 0, 20, Origin.CHOICE, "growth rate taken away by night"
    )
    bed_h: float = parameter(23.0, "h", 0, 24, Origin.CHOICE, "middle of dusk")
    rise_h: float = parameter(7.0, "h", 0, 24, Origin.CHOICE, "middle of dawn")
    dusk_min: float = parameter(60.0, "min", 1, 240, Origin.CHOICE, "length of dusk and dawn")
    wander_per_s: float = parameter(
        0.0, "1/s", 0, 10, Origin.CHOICE, "standard deviation of the slow wandering"
    )
    wander_min: float = parameter(
        90.0, "min", 2, 1440, Origin.CHOICE, "time constant of the slow wandering"
    )
    moves_per_h: float = parameter(0.0, "1/h", 0, 600, Origin.CHOICE, "movements while awake")
    move_s: float = parameter(6.0, "s", 1, 600, Origin.CHOICE, "mean length of a movement")
    desync_per_s: float = parameter(
        3.0, "1/s", 0, 60, Origin.CHOICE, "growth rate taken away by movement"
    )
    rebound_per_s: float = parameter(
        2.2, "1/s", 0, 20, Origin.CHOICE, "growth rate added after a movement"
    )
    rebound_s: float = parameter(2.0, "s", 0, 10, Origin.CHOICE, "length of the rebound")

    def __post_init__(self) -> None:
        check(self)
        if not all(0.0 <= hour < 24.0 for hour in self.doses_h):
            raise PatientError(
                f"doses_h is {self.doses_h}; give times of day from 0 to below 24 h"
            )
        if self.absorption_min >= self.elimination_min:
            raise PatientError(
                f"absorption_min is {self.absorption_min:g} and elimination_min "
                f"{self.elimination_min:g}; levodopa is absorbed faster than it goes"
            )

    @property
    def is_still(self) -> bool:
        """Whether nothing happens."""
        return not (self.doses_h or self.night_per_s or self.wander_per_s or self.moves_per_h)

    def tone(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dopaminergic tone, 0 to 1, at times since midnight in s, any shape."""
        absorb_s, end_s = 60.0 * self.absorption_min, 60.0 * self.elimination_min
        amount = np.zeros_like(t_s)
        for hour in self.doses_h:
            # What is left of a dose after a whole day is below 1e-7 for any usual patient.
            age_s = np.mod(t_s - 3600.0 * hour - 60.0 * self.lag_min, _DAY_S)
            amount += np.exp(-age_s / end_s) - np.exp(-age_s / absorb_s)
        amount = (amount * end_s / (end_s - absorb_s)) ** self.steepness
        share: NDArray[np.float64] = amount / (amount + self.half**self.steepness)
        return share

    def night(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much it is night, 0 to 1, at times since midnight in s, any shape."""
        width_h = self.dusk_min / 60.0
        hour = t_s / 3600.0
        since_bed = np.mod(hour - self.bed_h + width_h / 2.0, 24.0)
        since_rise = np.mod(hour - self.rise_h + width_h / 2.0, 24.0)
        length_h = math.fmod(self.rise_h - self.bed_h + 24.0, 24.0)
        falling = np.where(since_bed < length_h, _smooth(since_bed / width_h), 1.0)
        rising = np.where(since_rise < 24.0 - length_h, _smooth(since_rise / width_h), 0.0)
        return np.where(since_bed < length_h, falling, 1.0 - rising)


class Course:
    """The course of one day after another, from the first sample on.

    Parameters
    ----------
    day : Day
    seed : int
        The same for both hemispheres.
    """

    def __init__(self, day: Day, seed: int) -> None:
        self.day = day
        self._wandering = Noise(seed, 20)
        self._moving = Noise(seed, 21)
        self._first = 0
        self._keep = math.exp(-1.0 / day.wander_min)
        self._wander = day.wander_per_s * float(self._wandering.normals(1)[0])
        # A day on which nothing happens has one hour, again and again.
        self._still = np.tile([0.0, 1.0, 0.0], (CHUNK_S, 1))
        self._spans: list[tuple[int, int]] = []
        self._drawn = 0

    def __call__(self) -> NDArray[np.float64]:
        """The next `CHUNK_S` seconds, a row each.

        Returns
        -------
        ndarray of float64, (CHUNK_S, 3)
            Added growth rate, 1/s; factor of the drift; dopaminergic tone, 0 to 1.
        """
        day, first = self.day, self._first
        if day.is_still:
            return self._still
        self._first += CHUNK_S
        t_s = 3600.0 * day.start_h + np.arange(first, first + CHUNK_S, dtype=np.float64)
        tone = day.tone(t_s)
        growth = -day.tone_per_s * tone - day.night_per_s * day.night(t_s)
        growth += np.repeat(self._wander_minutes(), _MINUTE_S)
        for start, end in self._movements(first):
            growth[max(0, start - first) : max(0, end - first)] -= day.desync_per_s
            after = end + round(day.rebound_s)
            growth[max(0, end - first) : max(0, after - first)] += day.rebound_per_s
        return np.column_stack([growth, 1.0 - day.tone_calm * tone, tone])

    def _wander_minutes(self) -> NDArray[np.float64]:
        new = self.day.wander_per_s * math.sqrt(1.0 - self._keep**2)
        minutes = np.empty(CHUNK_S // _MINUTE_S)
        for k, normal in enumerate(self._wandering.normals(len(minutes))):
            minutes[k] = self._wander
            self._wander = self._keep * self._wander + new * normal
        return minutes

    def _movements(self, first: int) -> list[tuple[int, int]]:
        """Spans of movement, s, that reach into the chunk or start in it."""
        day = self.day
        if not day.moves_per_h:
            return []
        reach = round(day.rebound_s)
        self._spans = [span for span in self._spans if span[1] + reach > first]
        while self._drawn < first + CHUNK_S:
            rest, length = -np.log(self._moving.uniforms(2))
            start = self._drawn + math.ceil(rest * 3600.0 / day.moves_per_h)
            end = start + math.ceil(length * day.move_s)
            self._drawn = end + reach
            if day.night(np.array(3600.0 * day.start_h + start)) < 0.5:
                self._spans.append((start, end))
        return self._spans


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1 without corners, and level outside."""
    return 0.5 - 0.5 * np.cos(math.pi * np.clip(share, 0.0, 1.0))
