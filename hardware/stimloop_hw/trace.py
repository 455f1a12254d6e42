"""What a witness saw of the output: pulses, phase by phase, as lines of JSON.

A witness is whoever measures at the electrodes, apart from the device's own word: the record
of a simulated device, an oscilloscope, an acquisition board. It writes one line for each pulse,
and now and then how far it has seen, both on the device's clock::

    {"t_us": 1234000, "phases": [[1, 0, 60, -1000000], [15, 0, 60, 1000000], …]}
    {"until_us": 1300000}

A phase is contact, start after the pulse's, duration (both µs) and current (nA, cathodic
negative); contact 15 is the case.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A constant current through one contact; cathodic is negative.

    Attributes
    ----------
    contact : int
        Contact of the lead; 15 is the case.
    start_us : int
        After the beginning of the pulse, µs.
    duration_us : int
    current_na : int
    """

    contact: int
    start_us: int
    duration_us: int
    current_na: int


@dataclass(frozen=True, slots=True)
class TracedPulse:
    """One pulse as it left.

    Attributes
    ----------
    t_us : int
        Its beginning, device time, µs.
    phases : tuple of Phase
    """

    t_us: int
    phases: tuple[Phase, ...]

    @property
    def first(self) -> tuple[Phase, ...]:
        """Phases that begin with the pulse."""
        return tuple(phase for phase in self.phases if phase.start_us == 0)

    @property
    def amplitude_ua(self) -> int:
        """Cathodic current of the first phase, over all contacts, µA."""
        cathodic_na = sum(-phase.current_na for phase in self.first if phase.current_na < 0)
        return (cathodic_na + 500) // 1000

    @property
    def width_us(self) -> int:
        """Width of the first phase, µs."""
        return max((phase.duration_us for phase in self.first), default=0)

    @property
    def charge_pc(self) -> int:
        """Cathodic charge of the first phase, over all contacts, pC."""
        charges_fc = [p.current_na * p.duration_us for p in self.first if p.current_na < 0]
        return -sum(charges_fc) // 1000

    @property
    def net_fc(self) -> dict[int, int]:
        """What stays on each contact after all phases, fC."""
        return net_fc(self.phases)


def net_fc(phases: tuple[Phase, ...] | list[Phase]) -> dict[int, int]:
    """Sum of each contact's charge, fC."""
    net: dict[int, int] = {}
    for phase in phases:
        charge_fc = phase.current_na * phase.duration_us
        net[phase.contact] = net.get(phase.contact, 0) + charge_fc
    return net


def pulse_line(pulse: TracedPulse) -> bytes:
    """One pulse as its line."""
    rows = [[p.contact, p.start_us, p.duration_us, p.current_na] for p in pulse.phases]
    return json.dumps({"t_us": pulse.t_us, "phases": rows}).encode() + b"\n"


def until_line(t_us: int) -> bytes:
    """How far a witness has seen, as its line."""
    return json.dumps({"until_us": t_us}).encode() + b"\n"


def read_line(line: bytes) -> TracedPulse | int:
    """One line: a pulse, or the device time up to which all have been told.

    Raises
    ------
    ValueError
        If it is neither.
    """
    try:
        said = json.loads(line)
        if "until_us" in said:
            return int(said["until_us"])
        return TracedPulse(
            int(said["t_us"]),
            tuple(Phase(*(int(value) for value in row)) for row in said["phases"]),
        )
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(
            f"{line[:80]!r} is no line of a witness; write t_us and phases, or until_us"
        ) from problem
