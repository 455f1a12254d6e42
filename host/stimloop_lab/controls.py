"""Controllers that stand in for a prescription's, where a trial controls for the loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp import Setting

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop.step import Step
    from stimloop_dsp import Reading
    from stimloop_hw.program import Program

_STREAM = 0x5EED
"""Keeps the random duty cycle apart from the patient's noise of the same seed."""


class Follower:
    """A controller that wants what it was last told: nothing, to begin with."""

    tick_us = 0

    def control(
        self,
        prescription: Prescription,  # noqa: ARG002
        program: Program,
        tick_us: int,
        threshold_uv: float,  # noqa: ARG002
        lower_uv: float,  # noqa: ARG002
    ) -> Follower:
        """Take the place of the prescription's controller, as a `ControllerMaker`."""
        self.tick_us = tick_us
        self._first = self._wanted = Setting(0, program.period_min_us)
        return self

    def follow(self, step: Step) -> None:
        """Want what another loop's controller wanted: the governor here bounds it alike."""
        self._wanted = Setting(step.wanted_ua, step.wanted_period_us)

    def want(self, amplitude_ua: int) -> None:
        """Want this from the next update on, µA."""
        self._wanted = replace(self._wanted, amplitude_ua=amplitude_ua)

    def update(self, reading: Reading) -> Setting:  # noqa: ARG002  that is its point
        """Take the next reading, and heed it not."""
        return self._wanted

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._wanted = self._first


class RandomDuty:
    """A controller that is on and off for times drawn from exponential distributions.

    On is the program's upper amplitude, off its lower one.

    Parameters
    ----------
    duty : float
        Expected fraction of time on, > 0 and < 1.
    mean_on_s : float
        Mean of the periods on, s.
    seed : int
        Of the draws; everything else about them is a matter of calls.
    """

    tick_us = 0

    def __init__(self, *, duty: float, mean_on_s: float, seed: int) -> None:
        self._duty = duty
        self._mean_s = (mean_on_s * (1 - duty) / duty, mean_on_s)
        self._seed = seed
        self._on = False
        self._left = 0.0
        self._seen_us = -1

    def control(
        self,
        prescription: Prescription,  # noqa: ARG002
        program: Program,
        tick_us: int,
        threshold_uv: float,  # noqa: ARG002
        lower_uv: float,  # noqa: ARG002
    ) -> RandomDuty:
        """Take the place of the prescription's controller, as a `ControllerMaker`."""
        self.tick_us = tick_us
        self._settings = (
            Setting(program.amplitude_min_ua, program.period_min_us),
            Setting(program.amplitude_max_ua, program.period_min_us),
        )
        self.reset()
        return self

    def update(self, reading: Reading) -> Setting:
        """Take the next reading, and heed no more of it than its time."""
        # Without pulses a device that senses after them reads less often.
        elapsed = 1.0 if self._seen_us < 0 else (reading.t_us - self._seen_us) / self.tick_us
        self._seen_us = reading.t_us
        while self._left < elapsed:
            self._on = not self._on
            self._left += self._drawn()
        self._left -= elapsed
        return self._settings[self._on]

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._rng = np.random.Generator(np.random.PCG64DXSM([_STREAM, self._seed]))
        self._seen_us = -1
        self._on = bool(self._rng.random() < self._duty)
        self._left = self._drawn()

    def _drawn(self) -> float:
        """Duration of the period that begins, ticks."""
        return self._rng.exponential(self._mean_s[self._on] * 1e6 / self.tick_us)
