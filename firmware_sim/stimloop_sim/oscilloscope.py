"""A witness at the simulated electrodes: what left the output stage, pulse by pulse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.program import CASE
from stimloop_hw.trace import Phase, TracedPulse

if TYPE_CHECKING:
    from stimloop_sim.implant import Implant

_CASE = CASE.bit_length() - 1


class Oscilloscope:
    """Looks at an implant's output stage, and asks nobody what it was meant to do.

    Parameters
    ----------
    implant : Implant

    Notes
    -----
    The stage remembers its latest 4096 pulses; who looks less often misses the older ones.
    Contacts are those joined to the stage at the time of looking.
    """

    def __init__(self, implant: Implant) -> None:
        self._implant = implant
        self._boot = implant.boot
        self._seen = 0

    @property
    def until_us(self) -> int:
        """Device time up to which it has been looked."""
        return self._implant.firmware.now_us

    def take(self) -> list[TracedPulse]:
        """Pulses since the last look; a device that has started again is looked at anew."""
        if self._implant.boot != self._boot:
            self._boot, self._seen = self._implant.boot, 0
        pulses = self._implant.firmware.therapy.pulses
        found = pulses.traced(self._seen)
        self._seen = pulses.pulses
        return [TracedPulse(t_us, self._phases(*pulse)) for t_us, *pulse in found]

    def _phases(
        self, program: int, amplitude_ua: int, width_us: int, gap_us: int, ratio: int
    ) -> tuple[Phase, ...]:
        phases = []
        firmware = self._implant.firmware
        for contact, share in firmware.therapy.pulses.paths[program].sources:
            number = _CASE if contact == firmware.tissue.case else contact
            current_na = round(1000 * amplitude_ua * share)
            phases.append(Phase(number, 0, width_us, current_na))
            if ratio:
                back = Phase(number, width_us + gap_us, width_us * ratio, -current_na // ratio)
                phases.append(back)
        return tuple(phases)
