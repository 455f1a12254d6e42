"""The monitor of switching: a loop that turns round too often is not led by a biomarker.

A controller near its threshold, a gain too high for the loop's delay, or interference in the
band make the amplitude swing, which is felt and costs charge (hazard H5 of SAFETY.md).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stimloop.kinds import asks_of
from stimloop_dsp import Aspect

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop_dsp import Reading, Setting
    from stimloop_hw.program import Program

WINDOW_US = 60_000_000
"""Switches are counted over the latest minute."""
SWING_PERCENT = 25
"""A move of the wanted amplitude counts from this part of its range on: a design choice.

Smaller moves are a controller's ordinary work; to count only larger ones would miss a loop that
never crosses its whole range.
"""


class Switching:
    """Counts how often a signal turns round; no clock but that of its samples.

    A switch is a move of at least the swing against the one before it, measured from the
    furthest point between; the first such move counts too. Noise below the swing is none.

    Parameters
    ----------
    swing : int
        Least move that counts, in the signal's unit, >= 1.
    per_minute : int
        Switches allowed in any 60 s, >= 1.
    """

    def __init__(self, swing: int, per_minute: int) -> None:
        self._swing = swing
        self._per_minute = per_minute
        self._heading = 0
        self._low: int | None = None
        self._high: int | None = None
        self._switched_us: deque[int] = deque()

    def push(self, value: int, t_us: int) -> bool:
        """Take the next value; whether there were more switches than allowed.

        Parameters
        ----------
        value : int
        t_us : int
            Device time, µs, not falling.
        """
        self._low = value if self._low is None else min(self._low, value)
        self._high = value if self._high is None else max(self._high, value)
        rises = self._heading <= 0 and value - self._low >= self._swing
        falls = self._heading >= 0 and self._high - value >= self._swing
        if rises or falls:
            self._heading = 1 if rises else -1
            self._low = self._high = value
            self._switched_us.append(t_us)
        while self._switched_us and t_us - self._switched_us[0] >= WINDOW_US:
            self._switched_us.popleft()
        return len(self._switched_us) > self._per_minute


class Chatter:
    """Whether a loop has switched too often; once it has, that stands.

    A loop that was given back its output would chatter on. What may be trusted again is for a
    person to judge, before a new session.

    Parameters
    ----------
    prescription : Prescription
    program : Program
        The committed envelope, which is the range of the wanted amplitude.
    """

    def __init__(self, prescription: Prescription, program: Program) -> None:
        per_minute = prescription.governor.switches_per_min
        range_ua = program.amplitude_max_ua - program.amplitude_min_ua
        self._amplitude = Switching(max(1, range_ua * SWING_PERCENT // 100), per_minute)
        # Other controllers may cross the threshold as often as they like: they hold the level
        # there, or ask for more than one threshold.
        self._follows_decision = Aspect.DECISION in asks_of(prescription.controller.make)
        self._decision = Switching(1, per_minute)
        self._chatters = False

    def push(self, wanted: Setting, reading: Reading) -> bool:
        """Take what a tick has decided; whether the loop has chattered."""
        if self._follows_decision:
            self._chatters |= self._decision.push(int(reading.active), reading.t_us)
        if type(wanted.amplitude_ua) is int:  # nonsense is for the governor to hold
            self._chatters |= self._amplitude.push(wanted.amplitude_ua, reading.t_us)
        return self._chatters
