"""What the rig can do in a scenario; each verb once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.rig.forgery import forged
from stimloop_hw.framing import PANIC
from stimloop_hw.link import Link
from stimloop_hw.messages import (
    ArmChallenge,
    ArmRequest,
    ClearFault,
    Heartbeat,
    Hold,
    Impedance,
    ImpedanceResult,
    Mark,
    Setpoint,
    Stage,
    Staged,
    Start,
    Status,
)
from stimloop_hw.vocabulary import Role, StopMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.rig.session import RigSession
    from stimloop_hw.program import Program

LEASE_MS = 1000
LATEST_US = 500_000
GUESSES = 8


class Actor:
    """The rig's hand in a scenario.

    Parameters
    ----------
    session : RigSession
    program : Program
        What is delivered.

    Attributes
    ----------
    beats : bool
        Whether a heartbeat goes out with each Status.
    """

    def __init__(self, session: RigSession, program: Program) -> None:
        self.session = session
        self.link = session.link
        self.program = program
        self.beats = False
        self._sp = 0
        self._recorded = b""

    def beat(self) -> None:
        """Renew the lease."""
        self.link.send(Heartbeat(LEASE_MS, 0, self.link.event_ack))

    def setpoint(self, amplitude_ua: int) -> Setpoint:
        """The next setpoint."""
        self._sp += 1
        return Setpoint(self._sp, 0, amplitude_ua, self.program.period_min_us, 0)

    def send(self, setpoint: Setpoint, latest_us: int = LATEST_US) -> None:
        """Send one, and keep its bytes for who wants to replay them."""
        self._recorded = self.link.session.frame(setpoint, self.link.t_us + latest_us)
        self.link.port.write(self._recorded)

    def replay(self) -> None:
        """Send the latest setpoint's bytes once more."""
        self.link.port.write(self._recorded)


def _commit(actor: Actor, _: int) -> None:
    actor.session.commit(actor.program)


def _deliver(actor: Actor, _: int) -> None:
    actor.session.commit(actor.program)
    actor.link.start(actor.program.crc(), LEASE_MS)
    actor.beats = True
    actor.beat()
    actor.send(actor.setpoint(actor.program.amplitude_max_ua))


def _ordered(actor: Actor, ua: int) -> None:
    actor.send(actor.setpoint(ua))


def _stale(actor: Actor, ua: int) -> None:
    actor.send(actor.setpoint(ua), -1)


def _replay(actor: Actor, _: int) -> None:
    actor.replay()


def _forge(actor: Actor, ua: int) -> None:
    latest_us = actor.link.t_us + LATEST_US
    actor.link.port.write(forged(actor.link, actor.setpoint(ua), bytes(32), latest_us))


def _guess(actor: Actor, _: int) -> None:
    for _ in range(GUESSES):
        _forge(actor, 0)


def _noise(actor: Actor, _: int) -> None:
    actor.link.port.write(bytes(range(256)))


def _silence(actor: Actor, _: int) -> None:
    actor.beats = False


def _heartbeat(actor: Actor, _: int) -> None:
    actor.beats = True
    actor.beat()


def _stop(actor: Actor, _: int) -> None:
    actor.link.stop(StopMode.GROUND)


def _ramp(actor: Actor, _: int) -> None:
    actor.link.stop(StopMode.RAMP)


def _panic(actor: Actor, _: int) -> None:
    actor.link.port.write(3 * PANIC)


def _strange_stop(actor: Actor, _: int) -> None:
    Link(actor.link.port, "the same wire").stop()


def _hello(actor: Actor, _: int) -> None:
    actor.link.hello()


def _observe(actor: Actor, _: int) -> None:
    actor.link.hello(Role.OBSERVER)


def _stage(actor: Actor, _: int) -> None:
    actor.link.request(Stage(1, 0, 1, actor.program.entries()), Staged)


def _arm(actor: Actor, _: int) -> None:
    actor.link.request(ArmRequest(actor.program.crc()), ArmChallenge)


def _start(actor: Actor, _: int) -> None:
    order = Start(actor.program.crc(), LEASE_MS)
    actor.link.request(order, Status, actor.link.t_us + LATEST_US)


def _hold(actor: Actor, _: int) -> None:
    actor.link.request(Hold(1), Status, actor.link.t_us + LATEST_US)


def _resume(actor: Actor, _: int) -> None:
    actor.link.request(Hold(0), Status, actor.link.t_us + LATEST_US)


def _mark(actor: Actor, _: int) -> None:
    actor.link.send(Mark(1))


def _measure(actor: Actor, _: int) -> None:
    actor.link.request(Impedance(0), ImpedanceResult, actor.link.t_us + LATEST_US)


def _clear(actor: Actor, _: int) -> None:
    status = actor.link.status()
    actor.link.request(ClearFault(status.faults), Status, actor.link.t_us + LATEST_US)


ACTIONS: dict[str, Callable[[Actor, int], None]] = {
    "arm": _arm,
    "clear_fault": _clear,
    "commit": _commit,
    "deliver": _deliver,
    "forge": _forge,
    "guess": _guess,
    "heartbeat": _heartbeat,
    "hello": _hello,
    "hold": _hold,
    "mark": _mark,
    "measure": _measure,
    "noise": _noise,
    "observe": _observe,
    "panic": _panic,
    "ramp": _ramp,
    "replay": _replay,
    "resume": _resume,
    "setpoint": _ordered,
    "silence": _silence,
    "stage": _stage,
    "stale": _stale,
    "start": _start,
    "stop": _stop,
    "stranger_stops": _strange_stop,
}
"""Every verb; the number is the amplitude that it is about, µA."""
