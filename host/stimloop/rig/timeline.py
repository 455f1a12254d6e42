"""What was seen of a device while a scenario was played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stimloop_hw.messages import Event, Message, Refused
from stimloop_hw.vocabulary import EventCode, Fault, Lead, Refusal, State

if TYPE_CHECKING:
    from stimloop_hw.messages import Status
    from stimloop_hw.trace import TracedPulse

IN_TIME = "in time"
"""How a scenario ends that nothing else ended."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One Status.

    Attributes
    ----------
    t_ms : float
        Since the beginning, ms.
    state : str
    amplitude_ua : int
    faults, leads : frozenset of str
    net_fc : int
    pulses : int
    """

    t_ms: float
    state: str
    amplitude_ua: int
    faults: frozenset[str]
    leads: frozenset[str]
    net_fc: int
    pulses: int


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was told beside: an event, a refusal, what the governor did.

    Attributes
    ----------
    t_ms : float
        Since the beginning, ms.
    kind : str
        ``event``, ``refusal`` or ``governor``.
    name : str
        Of the `EventCode`, `Refusal` or `Bound`.
    detail : int
    """

    t_ms: float
    kind: str
    name: str
    detail: int


@dataclass(slots=True)
class Timeline:
    """Everything that was seen.

    Attributes
    ----------
    step_ua : int
        Of the device's amplitude, µA.
    moments : list of Moment
    told : list of Told
    pulses : list of TracedPulse or None
        What the witness saw; None where there is none.
    begun_us : int
        Device time of the beginning, µs.
    ended : str
        How it ended.
    quiet : bool or None
        Whether pulses had ended two seconds later; None where nobody could say.
    summary : dict
        Of the session of a prescription.
    """

    step_ua: int = 1
    moments: list[Moment] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    pulses: list[TracedPulse] | None = None
    begun_us: int = 0
    ended: str = IN_TIME
    quiet: bool | None = None
    summary: dict[str, Any] = field(default_factory=dict)

    def see(self, t_ms: float, status: Status) -> None:
        """Take in a Status."""
        moment = Moment(
            t_ms,
            State(status.state).name,
            status.amplitude_ua,
            frozenset(f.name for f in Fault(status.faults) if f.name),
            frozenset(f.name for f in Lead(status.lead) if f.name),
            status.net_fc,
            status.pulses,
        )
        self.moments.append(moment)

    def hear(self, t_ms: float, notice: Message) -> None:
        """Take in what else arrived."""
        match notice:
            case Event():
                known = {code.value: code.name for code in EventCode}
                name = known.get(notice.code, str(notice.code))
                self.told.append(Told(t_ms, "event", name, notice.arg))
            case Refused():
                name = Refusal(notice.reason).name
                self.told.append(Told(t_ms, "refusal", name, notice.detail))
            case _:
                pass  # statuses are seen, samples are not what a scenario is about
