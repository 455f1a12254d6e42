"""The therapy's state machine: one total table, State × Event → State or Refusal.

What is not written in `_ALLOWED` is refused. The link and the peer's role are not states of
therapy: a device may stream in any of them.
"""

from __future__ import annotations

from enum import IntEnum, auto, unique
from typing import TYPE_CHECKING

from stimloop_hw.vocabulary import Refusal, State

if TYPE_CHECKING:
    from collections.abc import Mapping


@unique
class Event(IntEnum):
    """What can happen to a therapy."""

    SELF_TEST_PASSED = auto()
    SELF_TEST_FAILED = auto()
    STAGE = auto()
    COMMIT = auto()
    ARM = auto()
    ARM_EXPIRED = auto()
    START = auto()
    ARM_ALONE = auto()
    START_ALONE = auto()
    SETPOINT = auto()
    TRIGGER = auto()
    HOLD = auto()
    RESUME = auto()
    ADJUST = auto()
    HEARTBEAT = auto()
    HELD_HEARTBEAT = auto()
    HEARTBEAT_LATE = auto()
    HEARTBEAT_LOST = auto()
    LEASE_EXPIRED = auto()
    RAMP_DONE = auto()
    STOP = auto()
    STOP_RAMP = auto()
    LIMIT_BREACHED = auto()
    CLEAR_FAULT = auto()
    MEASURE = auto()


_S, _E = State, Event

_ALLOWED: Mapping[State, Mapping[Event, State]] = {
    _S.BOOT: {
        _E.SELF_TEST_PASSED: _S.IDLE,
        _E.SELF_TEST_FAILED: _S.FAULT,
        _E.STOP: _S.BOOT,
        _E.STOP_RAMP: _S.BOOT,
    },
    _S.IDLE: {
        _E.STAGE: _S.IDLE,
        _E.COMMIT: _S.CONFIGURED,
        _E.HEARTBEAT: _S.IDLE,
        _E.MEASURE: _S.IDLE,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.IDLE,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    _S.CONFIGURED: {
        _E.STAGE: _S.CONFIGURED,
        _E.COMMIT: _S.CONFIGURED,
        _E.ARM: _S.ARMED,
        _E.ARM_ALONE: _S.ARMED_ALONE,
        _E.HEARTBEAT: _S.CONFIGURED,
        _E.MEASURE: _S.CONFIGURED,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.IDLE,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    _S.ARMED: {
        _E.START: _S.STIMULATING,
        _E.ARM_EXPIRED: _S.CONFIGURED,
        _E.HEARTBEAT: _S.ARMED,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.IDLE,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    # A therapy that no host leads is armed and started by orders of its own, and by no other.
    _S.ARMED_ALONE: {
        _E.START_ALONE: _S.ALONE,
        _E.ARM_EXPIRED: _S.CONFIGURED,
        _E.HEARTBEAT: _S.ARMED_ALONE,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.IDLE,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    # Nobody's silence ends it and nobody's setpoint moves it; a heartbeat is heard, no more.
    _S.ALONE: {
        _E.HEARTBEAT: _S.ALONE,
        _E.ADJUST: _S.ALONE,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.RAMPING_DOWN,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    _S.STIMULATING: {
        _E.SETPOINT: _S.STIMULATING,
        _E.TRIGGER: _S.STIMULATING,
        _E.HEARTBEAT: _S.STIMULATING,
        _E.HEARTBEAT_LATE: _S.HOLD,
        _E.HOLD: _S.HOLD,
        _E.LEASE_EXPIRED: _S.RAMPING_DOWN,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.RAMPING_DOWN,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    # In HOLD a setpoint may only lower the output; a heartbeat shows that the loop lives again,
    # which is not enough where a host has asked for it.
    _S.HOLD: {
        _E.SETPOINT: _S.HOLD,
        _E.HEARTBEAT: _S.STIMULATING,
        _E.HELD_HEARTBEAT: _S.HOLD,
        _E.HEARTBEAT_LATE: _S.HOLD,
        _E.HOLD: _S.HOLD,
        _E.RESUME: _S.STIMULATING,
        _E.HEARTBEAT_LOST: _S.FALLBACK,
        _E.LEASE_EXPIRED: _S.RAMPING_DOWN,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.RAMPING_DOWN,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    # The lease still runs, so a heartbeat of its session may take the therapy up again; the
    # output then starts from where the fallback left it.
    _S.FALLBACK: {
        _E.HEARTBEAT: _S.STIMULATING,
        _E.HELD_HEARTBEAT: _S.HOLD,
        _E.LEASE_EXPIRED: _S.RAMPING_DOWN,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.RAMPING_DOWN,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    _S.RAMPING_DOWN: {
        _E.HEARTBEAT: _S.RAMPING_DOWN,
        _E.RAMP_DONE: _S.IDLE,
        _E.STOP: _S.IDLE,
        _E.STOP_RAMP: _S.RAMPING_DOWN,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
    # Only a host that names exactly the faults latched leads out of here.
    _S.FAULT: {
        _E.CLEAR_FAULT: _S.IDLE,
        _E.HEARTBEAT: _S.FAULT,
        _E.STOP: _S.FAULT,
        _E.STOP_RAMP: _S.FAULT,
        _E.LIMIT_BREACHED: _S.FAULT,
    },
}

TRANSITIONS: Mapping[tuple[State, Event], State | Refusal] = {
    (state, event): _ALLOWED[state].get(event, Refusal.WRONG_STATE)
    for state in State
    for event in Event
}
"""The machine."""

LEASED = frozenset({State.STIMULATING, State.HOLD, State.FALLBACK})
"""States in which the output lives on a lease."""

HEARD = frozenset({State.STIMULATING, State.HOLD})
"""States to which the heartbeat of a host that leads brings a therapy, its lease renewed."""

STEERED = frozenset({State.STIMULATING, State.HOLD, State.ALONE})
"""States in which a loop on the device moves the output."""

DELIVERING = LEASED | {State.ALONE, State.RAMPING_DOWN}
"""States in which pulses may leave the device; in all others the output is zero."""


def mermaid() -> str:
    """The table as a Mermaid state diagram, for the documentation; STOP is left out."""
    lines = ["stateDiagram-v2", "    [*] --> BOOT"]
    for (state, event), after in TRANSITIONS.items():
        if isinstance(after, State) and after is not state and event is not Event.STOP:
            lines.append(f"    {state.name} --> {after.name}: {event.name}")
    return "\n".join(lines) + "\n"
