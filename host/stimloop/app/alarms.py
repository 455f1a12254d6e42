"""Alarms: what the device tells of itself, as a cause and a remedy in words.

The tables follow those of `stimloop_hw.vocabulary`; a test holds them complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop_hw.vocabulary import Fault, Lead, State, Supply

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person has to know.

    Attributes
    ----------
    cause, remedy : str
        English; the window translates them.
    grave : bool
        The output is off, or may not be trusted, because of it.
    """

    cause: str
    remedy: str
    grave: bool = False


LOST = Alarm(
    "The device does not answer",
    "Its lease ends the output within seconds; look at the cable, then connect again",
    grave=True,
)
FAULTS: dict[Fault, Alarm] = {
    Fault.SELF_TEST: Alarm(
        "The device failed its self-test",
        "Switch it off and on; replace it if that repeats",
        grave=True,
    ),
    Fault.CHARGE_BALANCE: Alarm(
        "Pulses did not balance their charge",
        "Measure the impedances, look at the lead, then clear the fault",
        grave=True,
    ),
    Fault.OUTPUT_LIMIT: Alarm(
        "The output went beyond a limit",
        "Lower amplitude or width, commit again, then clear the fault",
        grave=True,
    ),
    Fault.OUTPUT_STUCK: Alarm(
        "Pulses left the device that were not allowed; it is grounded",
        "Disconnect the load and replace the device",
        grave=True,
    ),
    Fault.PROGRAM_MEMORY: Alarm(
        "The committed program is not what was committed",
        "Clear the fault and program the device again",
        grave=True,
    ),
}
LEADS: dict[Lead, Alarm] = {
    Lead.OPEN: Alarm("A contact is open", "Look at lead and connector, measure impedances"),
    Lead.SHORT: Alarm("Contacts are shorted", "Look at lead and connector, measure impedances"),
    Lead.COMPLIANCE: Alarm(
        "The supply cannot drive the load: less is delivered than programmed",
        "Lower the amplitude, share it among contacts, measure impedances",
    ),
}
STATES: dict[State, Alarm] = {
    State.HOLD: Alarm(
        "The device has not heard from the host for 150 ms: no increase",
        "It goes on by itself when heartbeats return; look at the host's load and the cable",
    ),
    State.FALLBACK: Alarm(
        "The device has not heard from the host for 400 ms: fallback amplitude",
        "It ends by itself with its lease; look at the host's load and the cable",
    ),
    State.FAULT: Alarm(
        "The device has latched a fault", "Its output is off; see the fault", grave=True
    ),
}
SUPPLIES: dict[Supply, Alarm] = {
    Supply.ERI: Alarm("The battery is low", "Charge or replace it soon"),
    Supply.NO_STREAM: Alarm("The battery is low: no samples are sent", "Charge or replace it"),
    Supply.NO_SENSING: Alarm("The battery is low: nothing is sensed", "Charge or replace it"),
    Supply.NO_ADAPTIVE: Alarm(
        "The battery is nearly empty: no adaptive stimulation",
        "Charge or replace it",
        grave=True,
    ),
    Supply.EOS: Alarm(
        "The battery is empty: no stimulation", "Charge or replace it", grave=True
    ),
}


def alarms(
    state: State, faults: int, lead: int, supply: Supply, *, lost: bool
) -> Iterator[Alarm]:
    """Everything that holds now, the gravest first.

    Parameters
    ----------
    state : State
    faults, lead : int
        As in Status.
    supply : Supply
    lost : bool
        The link has gone, so that all else is old.
    """
    found = [LOST] if lost else []
    found += [FAULTS[fault] for fault in Fault(faults)]
    if state in STATES and not (state is State.FAULT and found):
        found.append(STATES[state])
    found += [LEADS[flag] for flag in Lead(lead)]
    if supply in SUPPLIES:
        found.append(SUPPLIES[supply])
    return iter(sorted(found, key=lambda alarm: not alarm.grave))
