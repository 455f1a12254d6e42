"""Orders of whoever has no business to give them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_hw.messages import Auth, Heartbeat, Setpoint
from stimloop_hw.seal import TAG_SIZE, extended
from stimloop_hw.vocabulary import Role
from stimloop_lab.mutants.table import mutant, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_hw.framing import Frame
    from stimloop_hw.messages import Message
    from stimloop_sim.firmware import Firmware
    from stimloop_sim.sessions import HostSession
    from stimloop_sim.telemetry import Telemetry


def _forgetful(firmware: Firmware, forgets: Callable[[HostSession, Frame], bool]) -> None:
    """Let frames pass that came before."""
    telemetry = firmware.telemetry

    def take(session: HostSession, frame: Frame) -> None:
        if forgets(session, frame):
            session.received = extended(frame.seq, session.received) - 1
        taken(session, frame)

    taken = put(telemetry, "_take_next", take)


@mutant("a_replayed_order_changes_nothing")
def replay_accepted(firmware: Firmware) -> None:
    """An order that was recorded and is sent again is executed again."""
    _forgetful(firmware, lambda s, frame: extended(frame.seq, s.received) < s.received)


@mutant("a_repeated_order_is_executed_once")
def repeat_executed(firmware: Firmware) -> None:
    """An order that comes twice, one after the other, is executed twice."""
    _forgetful(firmware, lambda s, frame: extended(frame.seq, s.received) == s.received)


def _credulous(firmware: Firmware, kind: type[Message]) -> None:
    """Believe orders of this kind whoever signs them, or nobody."""
    telemetry: Telemetry = firmware.telemetry

    def take(session: HostSession, frame: Frame) -> None:
        tag = len(frame.payload) - kind.layout.size
        counter = extended(frame.seq, session.received)
        forged = session.inbound.open(frame, counter) is None and tag in {0, TAG_SIZE}
        if frame.number == kind.number and forged:
            telemetry._obey(session, frame, frame.payload[: kind.layout.size])
        else:
            taken(session, frame)

    taken = put(telemetry, "_take_next", take)


@mutant("a_heartbeat_without_the_key_keeps_nothing_alive")
def heartbeat_without_key(firmware: Firmware) -> None:
    """A heartbeat is taken from anybody."""
    _credulous(firmware, Heartbeat)


@mutant("an_order_without_the_key_changes_nothing")
def setpoint_without_key(firmware: Firmware) -> None:
    """A setpoint is taken from anybody."""
    _credulous(firmware, Setpoint)


@mutant("guessed_signatures_lock_signed_traffic_out")
def no_lockout(firmware: Firmware) -> None:
    """Signatures may be guessed for ever."""
    put(firmware.telemetry._lockout, "count", lambda _: False)


@mutant("an_observer_gives_no_orders")
def observer_steers(firmware: Firmware) -> None:
    """Whoever came to observe gives orders."""

    def obey(session: HostSession, frame: Frame, payload: bytes) -> None:
        role = session.role
        if frame.number != Auth.number:
            session.role = Role.CONTROLLER
        obeyed(session, frame, payload)
        if frame.number != Auth.number:
            session.role = role

    obeyed = put(firmware.telemetry, "_obey", obey)


@mutant("two_sessions_meet_the_same_device")
def nonce_used_twice(firmware: Firmware) -> None:
    """Every handshake has the same nonce of the device."""
    identify = put(firmware, "identify", lambda: replace(identify(), nonce=bytes(16)))
