"""The operator's hand on a loop that closes on the host: closed, or open at an amplitude.

Governor, chatter monitor and device judge what the operator asks for like any controller's
wish. What was asked for is an event of the record, between two steps, so that a replay follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop import assembly
from stimloop_dsp import Setting

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop.streams import EventRow
    from stimloop_dsp import Controller, Reading
    from stimloop_hw.program import Program

CLOSE, LEAD = "close the loop", "lead to an amplitude"
"""Texts of the operator's events; the detail of the second one is the amplitude, µA."""


@dataclass(slots=True)
class Steering:
    """Who leads.

    Attributes
    ----------
    adaptive : bool
        The prescription's controller; else the operator.
    amplitude_ua : int
        Where the operator leads to, µA.
    """

    adaptive: bool = True
    amplitude_ua: int = 0

    def control(
        self,
        prescription: Prescription,
        program: Program,
        tick_us: int,
        threshold_uv: float,
        lower_uv: float,
    ) -> Controller:
        """Make the controller, as `stimloop.assembly.controller` does, under this hand."""
        made = assembly.controller(prescription, program, tick_us, threshold_uv, lower_uv)
        return _Steered(self, made, program.period_min_us)

    def follow(self, event: EventRow) -> None:
        """Do what an event of a record says that the operator asked for."""
        if event.kind == "operator" and event.text in (CLOSE, LEAD):
            self.adaptive = event.text == CLOSE
            self.amplitude_ua = event.detail


class _Steered:
    """A controller that is listened to while the loop is closed, and goes on all the while."""

    def __init__(self, steering: Steering, controller: Controller, period_us: int) -> None:
        self.tick_us = controller.tick_us
        self._steering = steering
        self._controller = controller
        self._period_us = period_us

    def update(self, reading: Reading) -> Setting:
        wanted = self._controller.update(reading)
        if self._steering.adaptive:
            return wanted
        return Setting(self._steering.amplitude_ua, self._period_us)

    def reset(self) -> None:
        self._controller.reset()
