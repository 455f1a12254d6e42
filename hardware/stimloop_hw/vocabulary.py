"""The words of the wire: states, faults, refusals, and the numbers that stand for them.

Numbers are never reused.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, unique
from typing import TYPE_CHECKING

from stimloop_hw.groups import group_name, place_name
from stimloop_hw.loop import LoopParameter
from stimloop_hw.program import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable


@unique
class State(IntEnum):
    """What the therapy is doing, in the device's words (Status, Stopped)."""

    BOOT = 0
    IDLE = 1
    CONFIGURED = 2
    ARMED = 3
    STIMULATING = 4
    HOLD = 5
    FALLBACK = 6
    RAMPING_DOWN = 7
    FAULT = 8
    ARMED_ALONE = 9  # for a therapy that no host leads
    ALONE = 10  # no host leads it: no lease, no setpoints


@unique
class Role(IntEnum):
    """What a host may do; each message names the least role that may send it."""

    STRANGER = 0  # anybody: no session, no key
    GUEST = 1  # after Hello: may prove the key with Auth, and no more
    OBSERVER = 2  # hears everything, changes nothing
    PATIENT = 3  # moves the amplitude inside the clinician's limits; one at a time
    CONTROLLER = 4  # one at a time


@unique
class StopMode(IntEnum):
    """How a Stop ends the output."""

    GROUND = 0
    RAMP = 1


@unique
class ResetCause(IntEnum):
    """Why the device last started (Identity.reset_cause)."""

    POWER_ON = 1
    WATCHDOG = 2
    BROWN_OUT = 3
    EXTERNAL = 4


@unique
class SelfTest(IntEnum):
    """Checks of the power-on self test, in their order."""

    RAM = 1  # every bit of working memory holds 0 and 1
    STORE = 2  # the CRC is computed right, and the stored program has its own
    PROFILE = 3  # the device's tables of limits and battery agree with the formulas
    OUTPUT = 4  # the output stage is off
    WATCHDOG = 5  # it is armed
    CONVERTER = 6  # its zero and its rails are where they have to be


@unique
class Supply(IntEnum):
    """How far the battery is used up, and what is given up for it, in this order."""

    NORMAL = 0
    ERI = 1  # elective replacement indicator: nothing given up yet
    NO_STREAM = 2  # no samples to the host
    NO_SENSING = 3  # no samples, but for a loop on the device
    NO_ADAPTIVE = 4  # no setpoint may raise the output, and a loop on the device ends
    EOS = 5  # end of service: ramped down, and no Start


@unique
class Bound(IntEnum):
    """What shaped an order, if anything (Decided.bound); the last one that acted."""

    NONE = 0
    RANGE = 1
    SLEW = 2
    STEP = 3
    HELD = 4  # the reading is not to be trusted
    SIGNAL_LOST = 5
    CAPTURE = 6  # a threshold is still being captured
    CHATTER = 7
    WITHHELD = 8  # the device's own loop could not move it: HOLD, FALLBACK or a limit
    UNTOLD = 9  # what the device decided did not arrive
    PATIENT = 10  # the level that the patient has chosen


class Build(IntFlag):
    """How the device was built, told in its Identity."""

    UNSIGNED = 1
    DEVKEY = 2
    SIMULATED = 4
    RECORDING = 8

    @property
    def authentication(self) -> str:
        """What protects the link, in words for people."""
        if Build.UNSIGNED in self:
            return "UNSIGNED"
        return "DEVELOPMENT KEY" if Build.DEVKEY in self else "signed"


class SensedFlag(IntFlag):
    """What a block of samples went through."""

    STIM = 1
    SATURATED = 2
    GAP = 4  # the device had to drop stream frames since the block before


class Fault(IntFlag):
    """Latched faults (Status.faults)."""

    SELF_TEST = 1
    CHARGE_BALANCE = 2
    OUTPUT_LIMIT = 4
    OUTPUT_STUCK = 8  # pulses left it that were not allowed; grounded
    PROGRAM_MEMORY = 16  # the committed program is not what was committed


class Lead(IntFlag):
    """What is wrong with a lead: the latest pulse met it (Status.lead), or a measurement."""

    OPEN = 1
    SHORT = 2
    COMPLIANCE = 4


@unique
class EventCode(IntEnum):
    """What an Event reports; `arg` is explained behind each."""

    FAULT = 1  # the faults latched
    SAMPLES_DROPPED = 2  # samples that the full stream queue has lost so far
    SENSING_ENDED = 3  # index behind the last sample: a recording has no more
    BAD_TAGS = 16  # bad tags since power-on; signed traffic is ignored for a while
    LEAD = 64  # what is wrong with the lead now, `Lead`
    MAGNET = 65  # 1 held to the device, 0 taken away
    REST = 66  # 1 the output rests, as its duty asks, 0 it may go on
    RESET = 80  # the cause: the device has started again
    SELF_TEST = 81  # the check that failed
    BANKS_BAD = 82  # banks of the program store found damaged at power-on, as bits
    PROGRAM_VOID = 83  # the refusal: what was stored is not allowed any more
    SUPPLY = 84  # the stage that the battery has come to
    MARKER = 85  # the number of the mark that the patient has set
    PATIENT_LEVEL = 86  # the largest amplitude that the patient now allows, µA


@unique
class Refusal(IntEnum):
    """Why the device refused (Refused.reason); `detail` is explained behind each."""

    WRONG_STATE = 1  # the present state
    OUT_OF_RANGE = 2  # the parameter's number
    NOT_REPRESENTABLE = 3  # the parameter's number
    CHARGE_PER_PHASE = 4  # the charge asked, nC
    CHARGE_DENSITY = 5  # the density asked, nC/cm²
    SLEW = 6  # the largest step allowed, µA
    OUTSIDE_ENVELOPE = 7  # the nearest value allowed, µA or µs
    HELD = 8  # the present state
    EXPIRED = 9  # how late, µs
    CRC_MISMATCH = 10  # the CRC the device has
    UNKNOWN = 11  # the message's or the parameter's number
    MALFORMED = 12  # the payload's length
    MISSING = 13  # the parameter's number
    TIMING = 14  # the shortest period that fits, µs
    VERSION = 15  # the version the device speaks
    BUSY = 32  # what is left of the present controller's lease, ms
    ROLE = 33  # the host's role
    KEY = 34  # nothing: whoever does not hold the key is told no more
    LOCKED = 35  # for how long signed traffic is still ignored, ms
    CHALLENGE = 36  # nothing
    FAULTS = 37  # the faults that are latched
    CONTACT_CURRENT = 48  # the current asked of one contact, µA
    SHARES = 49  # the number of the pole's parameter
    COMPLIANCE = 50  # the voltage it takes, mV
    DUTY = 51  # the part of the time asked, ‰
    RAMP = 52  # the shortest duration, ms
    LOOP_RANGE = 53  # the loop parameter's number << 24 | the nearest value allowed
    LOOP_PAIR = 54  # the controller's number: it does not understand the detector
    LOOP_OWN = 55  # 0: the device steers itself
    LOOP_NONE = 56  # 0: a host would have to steer it
    PART = 57  # the part expected next
    PATIENT_LIMIT = 58  # where the clinician's limits for the patient end, µA
    PATIENT_NONE = 59  # 0
    OVERLAP = 64  # the earliest offset, µs
    NOT_SHARED = 65  # the parameter's number
    NO_PROGRAM = 66  # the place in the set
    GROUP = 67  # the number of the active group
    LOOP_FIRST = 68  # 0
    MEMORY = 80  # 0
    BATTERY = 81  # the charge left, ‰

    @classmethod
    def _missing_(cls, _value: object) -> Refusal:
        """A reason of a newer device is a refusal all the same."""
        return cls.UNKNOWN

    def sentence(self, detail: int) -> str:
        """Say the refusal with its detail and the remedy.

        Parameters
        ----------
        detail : int
            As carried by the Refused message.

        Returns
        -------
        str
        """
        return _REFUSAL_TEXT[self](detail)


def _state_name(detail: int) -> str:
    return State(detail).name if detail in State.__members__.values() else str(detail)


def _role_name(detail: int) -> str:
    known = {r.value: r.name.lower() for r in Role}
    return f"a host of role {known.get(detail, detail)}"


def _fault_names(detail: int) -> str:
    return ", ".join(f.name for f in Fault(detail) if f.name) or "none"


def _parameter_name(detail: int) -> str:
    known = {p.value: p.name.lower() for p in Parameter}
    known |= {p.value: p.name.lower() for p in LoopParameter}
    return known.get(detail, f"number {detail}")


_REFUSAL_TEXT: dict[Refusal, Callable[[int], str]] = {
    Refusal.WRONG_STATE: lambda d: (
        f"not allowed in state {_state_name(d)}; stop, stage, commit and arm first"
    ),
    Refusal.OUT_OF_RANGE: lambda d: (
        f"{_parameter_name(d)} is outside the device's range; ask for a value its limits allow"
    ),
    Refusal.NOT_REPRESENTABLE: lambda d: (
        f"{_parameter_name(d)} is no multiple of the device's step; ask for one that is"
    ),
    Refusal.CHARGE_PER_PHASE: lambda d: (
        f"{d} nC per phase is above the contact's limit; lower amplitude or pulse width"
    ),
    Refusal.CHARGE_DENSITY: lambda d: (
        f"{d / 1000:g} µC/cm² is above the contact's limit; lower amplitude or pulse width"
    ),
    Refusal.SLEW: lambda d: f"the step is larger than {d} µA; approach in smaller steps",
    Refusal.OUTSIDE_ENVELOPE: lambda d: (
        f"outside the committed program, which ends at {d}; commit a wider program"
    ),
    Refusal.HELD: lambda d: (
        f"no increase in state {_state_name(d)}; renew the lease with heartbeats first"
    ),
    Refusal.EXPIRED: lambda d: f"it arrived {d} µs after its deadline; send it afresh",
    Refusal.CRC_MISMATCH: lambda d: (
        f"the device holds program {d:08X}; read back, and send that program's CRC"
    ),
    Refusal.UNKNOWN: lambda d: f"number {d} is unknown to it; match the releases of both ends",
    Refusal.MALFORMED: lambda d: f"{d} bytes do not fit the message; match both ends' tables",
    Refusal.MISSING: lambda d: f"{_parameter_name(d)} is missing; stage the whole program",
    Refusal.TIMING: lambda d: f"the pulse does not fit its period; {d} µs is the shortest",
    Refusal.VERSION: lambda d: f"it speaks SL1 version {d} only; use a matching release",
    Refusal.BUSY: lambda d: (
        f"another controller leads a running therapy (its lease ends in {d} ms); stop it, or "
        "join as an observer"
    ),
    Refusal.ROLE: lambda d: f"{_role_name(d)} may not do that; open the session as controller",
    Refusal.KEY: lambda _: "it does not accept this key; give its own with --key FILE",
    Refusal.LOCKED: lambda d: f"too many frames had bad tags; it listens again in {d} ms",
    Refusal.CHALLENGE: lambda _: "the challenge is not the latest or is over; arm again",
    Refusal.FAULTS: lambda d: (
        f"the latched faults are {_fault_names(d)}; name exactly these, and power-cycle a "
        "device whose self-test failed"
    ),
    Refusal.CONTACT_CURRENT: lambda d: (
        f"{d} µA are more than one contact may carry; lower the amplitude or spread it"
    ),
    Refusal.SHARES: lambda d: (
        f"the shares of the {_parameter_name(d)} are no 100 % of its contacts alone; share out "
        "the whole, or nothing at all"
    ),
    Refusal.COMPLIANCE: lambda d: (
        f"it takes {d} mV, more than the output stage has; lower the amplitude or spread it"
    ),
    Refusal.DUTY: lambda d: (
        f"it stimulates {d / 10:g} % of the time, more than the device may; pause for longer"
    ),
    Refusal.RAMP: lambda d: (
        f"its soft start or stop is faster than the slew; take at least {d} ms"
    ),
    Refusal.LOOP_RANGE: lambda d: (
        f"{_parameter_name(d >> 24)} of the loop is outside the device's range, which ends at "
        f"{d & 0xFFFFFF}; ask for a value within"
    ),
    Refusal.LOOP_PAIR: lambda d: (
        f"controller {d} does not understand that detector's readings; choose another of them"
    ),
    Refusal.LOOP_OWN: lambda _: (
        "the loop of this program closes on the device, which steers itself; stop it, and "
        "commit a program without a loop to steer"
    ),
    Refusal.LOOP_NONE: lambda _: (
        "the program has no loop of its own, and nobody would steer it; commit one with a loop"
    ),
    Refusal.PART: lambda d: (
        f"part {d} of the program was expected; stage it anew from part 0 on"
    ),
    Refusal.PATIENT_LIMIT: lambda d: (
        f"the limits for the patient end at {d / 1000:g} mA; ask for less of a change"
    ),
    Refusal.PATIENT_NONE: lambda _: (
        "the program leaves the amplitude to nobody but its clinician; ask there"
    ),
    Refusal.LOOP_FIRST: lambda _: (
        "only the first program of a group may have a loop of its own; give it that one"
    ),
    Refusal.OVERLAP: lambda d: (
        f"its pulse begins before that of the program ahead has ended; offset it by {d} µs or "
        "more"
        if d
        else "it is the first of its group, whose period begins with it; offset it by 0 µs"
    ),
    Refusal.NOT_SHARED: lambda d: (
        f"its {_parameter_name(d)} is not that of its group; give all programs of it the same"
    ),
    Refusal.NO_PROGRAM: lambda d: (
        f"it has no program {place_name(d)} there; number them from 1 without a gap, in the "
        "groups that its limits tell"
    ),
    Refusal.GROUP: lambda d: (
        f"group {group_name(d)} is active; commit the set with the other one"
    ),
    Refusal.MEMORY: lambda _: (
        "its memory does not hold what was written, the former program still stands; "
        "the device needs service"
    ),
    Refusal.BATTERY: lambda d: (
        f"its battery has {d / 10:g} % left, too little for that; charge or replace it"
    ),
}
