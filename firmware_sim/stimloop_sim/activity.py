"""What a person does all day, as the heart sees it: sleep, posture, exertion, exercise.

Bouts come as Poisson processes, each with a random stream of its own, and none of them hears
stimulation. Where bouts overlap the strongest counts. All of this is the distractor of a
detector that looks for the heart rate of seizures; how often people exert themselves was set so
that such a detector's false alarms span the published range.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_sim.parameter import Origin, PatientError, check, parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_S = 3600
"""A course is worked out for so many seconds at a time."""
STREAM = 100
"""Random streams of this patient are numbered from here on, apart from those of its tissue."""
EXERTED_BPM = 40.0
"""Rise of the heart rate at which muscle noise has its full size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happens to a heart within a day.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    start_h: float = parameter(
        8.0, "h", 0, 24, Origin.CHOICE, "time of day at the first sample"
    )
    bed_h: float = parameter(23.0, "h", 0, 24, Origin.CHOICE, "going to bed")
    rise_h: float = parameter(7.0, "h", 0, 24, Origin.CHOICE, "getting up")
    night_bpm: float = parameter(
        12.0, "bpm", 0, 30, Origin.CHOICE, "slower by so much asleep, in half an hour"
    )
    postures_per_h: float = parameter(
        6.0, "1/h", 0, 60, Origin.CHOICE, "changes of posture while up"
    )
    posture_bpm: float = parameter(
        10.0, "bpm", 0, 60, Origin.CHOICE, "mean rise of a change of posture"
    )
    posture_s: float = parameter(20.0, "s", 1, 600, Origin.CHOICE, "mean length of that rise")
    exertions_per_h: float = parameter(
        30.0, "1/h", 0, 60, Origin.FITTED, "bouts of exertion while up: stairs, haste, a load"
    )
    exertion_bpm: float = parameter(
        30.0, "bpm", 0, 100, Origin.FITTED, "mean rise by exertion, exponentially distributed"
    )
    exertion_s: float = parameter(60.0, "s", 1, 3600, Origin.CHOICE, "mean length of a bout")
    exercises_per_day: float = parameter(
        1.0, "1/day", 0, 24, Origin.CHOICE, "bouts of exercise while up"
    )
    exercise_bpm: float = parameter(
        55.0, "bpm", 0, 110, Origin.CHOICE, "mean rise by exercise, exponentially distributed"
    )
    exercise_s: float = parameter(
        1200.0, "s", 1, 7200, Origin.CHOICE, "mean length of exercise"
    )
    arousals_per_h: float = parameter(
        4.0, "1/h", 0, 60, Origin.CHOICE, "arousals from sleep, not seizures"
    )
    arousal_bpm: float = parameter(12.0, "bpm", 0, 60, Origin.CHOICE, "mean rise of an arousal")
    arousal_s: float = parameter(12.0, "s", 1, 600, Origin.CHOICE, "mean length of that rise")
    muscle_uv: float = parameter(
        60.0,
        "µV",
        0,
        1000,
        Origin.CHOICE,
        "muscle noise of strong exertion, standard deviation",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.bed_h == self.rise_h:
            raise PatientError(
                f"bed_h and rise_h are both {self.bed_h:g} h; a night has a length, or set "
                "night_bpm and arousals_per_h to 0 and leave it there"
            )

    def sleeps(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much it is night, 0 to 1, at times since the first sample, s, any shape."""
        hour = self.start_h + t_s / 3600.0
        night_h = math.fmod(self.rise_h - self.bed_h + 24.0, 24.0)
        since_bed, since_rise = (
            np.mod(hour - self.bed_h, 24.0),
            np.mod(hour - self.rise_h, 24.0),
        )
        return np.where(
            since_bed < night_h,
            np.minimum(since_bed / 0.5, 1),
            np.maximum(1 - since_rise / 0.5, 0),
        )


class Course:
    """The course of one day after another, from the first sample on.

    Parameters
    ----------
    activity : Activity
    seed : int
        0 or more.
    """

    def __init__(self, activity: Activity, seed: int) -> None:
        a = self.activity = activity
        self._bouts = [
            _Bouts(seed, 1, a.postures_per_h, a.posture_bpm, a.posture_s),
            _Bouts(seed, 2, a.exertions_per_h, a.exertion_bpm, a.exertion_s),
            _Bouts(seed, 3, a.exercises_per_day / 16.0, a.exercise_bpm, a.exercise_s),
        ]
        self._arousals = _Bouts(seed, 4, a.arousals_per_h, a.arousal_bpm, a.arousal_s)
        self._first = 0

    def __call__(self) -> NDArray[np.float64]:
        """The next `CHUNK_S` seconds, a row each.

        Returns
        -------
        ndarray of float64, (CHUNK_S, 2)
            What the heart rate is bound for, bpm above rest; muscle noise, µV.
        """
        first, self._first = self._first, self._first + CHUNK_S
        night = self.activity.sleeps(np.arange(first, first + CHUNK_S, dtype=np.float64))
        up = np.max([bouts.take(first) for bouts in self._bouts], axis=0) * (night < 0.5)
        rise = np.maximum(up, self._arousals.take(first) * (night >= 0.5))
        muscle = self.activity.muscle_uv * np.minimum(up / EXERTED_BPM, 1.0)
        return np.column_stack([rise - self.activity.night_bpm * night, muscle])


class _Bouts:
    """Bouts of one kind: when, how strong and how long; exponentially distributed all three."""

    def __init__(
        self, seed: int, place: int, per_h: float, mean_bpm: float, mean_s: float
    ) -> None:
        self._draw = np.random.Generator(np.random.PCG64DXSM([seed, STREAM + place]))
        self._per_h, self._mean_bpm, self._mean_s = per_h, mean_bpm, mean_s
        self._spans: deque[tuple[int, int, float]] = deque()
        self._drawn = 0.0 if per_h else math.inf

    def take(self, first: int) -> NDArray[np.float64]:
        """Rise within the chunk from this second on, bpm."""
        rise = np.zeros(CHUNK_S)
        while self._drawn < first + CHUNK_S:
            gap, strength, length = self._draw.standard_exponential(3)
            start = self._drawn + gap * 3600.0 / self._per_h
            self._drawn = start + length * self._mean_s
            self._spans.append((round(start), round(self._drawn), strength * self._mean_bpm))
        while self._spans and self._spans[0][1] <= first:
            self._spans.popleft()
        for start, end, bpm in self._spans:
            rise[max(0, start - first) : max(0, end - first)] = bpm
        return rise
