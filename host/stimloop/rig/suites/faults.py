"""What goes wrong on the wire, and who has no business on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.rig.forgery import forged
from stimloop.rig.obligation import Need, Suite, obliges, refused, require, require_equal
from stimloop.rig.session import LEASE_MS, SETPOINT_LATEST_US
from stimloop_hw.link import Link
from stimloop_hw.messages import (
    Event,
    Heartbeat,
    Mark,
    Ping,
    Pong,
    Setpoint,
    Stage,
    Staged,
)
from stimloop_hw.vocabulary import EventCode, Refusal, Role, State

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession

MARK = 7
LATE_US = 1_500_000
BAD_TAGS = 8
LOCKOUT_US = 5_500_000


def _low_ua(session: RigSession) -> int:
    """An amplitude in the lower half of the program."""
    step_ua = session.limits.amplitude_step_ua
    return max(session.program.amplitude_max_ua // 2 // step_ua, 1) * step_ua


def _latest_event(link: Link) -> int:
    """Number of the latest event: a device tells older ones until they are acknowledged."""
    for _ in range(2):
        link.status()
    return max((n.event for n in link.notices if isinstance(n, Event)), default=0)


def _marks(link: Link, since: int) -> int:
    """How many marks were told after that event."""
    told = [n for n in link.notices if isinstance(n, Event) and n.event > since]
    return sum(event.code == EventCode.MARKER for event in told)


@obliges(Suite.FAULTS, "H8")
def noise_costs_no_frame_behind_it(session: RigSession) -> None:
    """Noise on the line, zeros and half a frame before an order do not hide it."""
    link = session.link
    half = link.session.frame(Ping(0, 0), None)
    for noise in (b"\x55" * 40, b"\0\0\0", half[: len(half) // 2], bytes(range(1, 255))):
        link.port.write(noise)
        require_equal("the answer behind noise", link.request(Ping(5, 5), Pong).token, 5)


@obliges(Suite.FAULTS, "H8", needs=(Need.STATUS,))
def a_damaged_order_changes_nothing(session: RigSession) -> None:
    """A setpoint with any single bit wrong changes nothing."""
    link, program = session.link, session.program
    session.begin()
    setpoint = Setpoint(1, 0, program.amplitude_max_ua, program.period_min_us, 0)
    frame = bytearray(link.session.frame(setpoint, link.t_us + LATE_US))
    for k in range(1, len(frame) - 1, 2):
        damaged = frame.copy()
        damaged[k] ^= 1 << (k % 8)
        link.port.write(bytes(damaged))
    for _ in range(2):
        status = session.alive()
    require_equal("the setpoint after damaged ones", status.last_sp, 0)
    require_equal("the amplitude after damaged setpoints in µA", status.amplitude_ua, 0)
    require_equal("the state", status.state, State.STIMULATING)


@obliges(Suite.FAULTS, "H8", needs=(Need.EVENTS, Need.AUTHENTICATION))
def a_repeated_order_is_executed_once(session: RigSession) -> None:
    """An order that comes twice, as a retry does, is executed once."""
    link = session.link
    since = _latest_event(link)
    frame = link.session.frame(Mark(MARK), None)
    link.port.write(frame)
    link.port.write(frame)
    for _ in range(3):
        link.status()
    require_equal("executions of an order that came twice", _marks(link, since), 1)


@obliges(Suite.FAULTS, "H7", "H8", needs=(Need.STATUS, Need.AUTHENTICATION))
def a_replayed_order_changes_nothing(session: RigSession) -> None:
    """A setpoint recorded on the wire and sent again changes nothing, though in time."""
    link, program = session.link, session.program
    session.begin()
    low = Setpoint(1, 0, _low_ua(session), program.period_min_us, 0)
    recorded = link.session.frame(low, link.t_us + LATE_US)
    link.port.write(recorded)
    session.alive()
    session.steer(2, program.amplitude_max_ua)
    for _ in range(3):
        session.alive()
    link.port.write(recorded)
    for _ in range(2):
        status = session.alive()
    require_equal("the latest setpoint", status.last_sp, 2)
    require_equal("the amplitude in µA", status.amplitude_ua, program.amplitude_max_ua)


@obliges(Suite.FAULTS, "H7", needs=(Need.EVENTS, Need.LEASE, Need.AUTHENTICATION))
def an_order_of_a_former_session_changes_nothing(session: RigSession) -> None:
    """What was recorded in one session does nothing in the next."""
    link = session.link
    session.deliver()
    recorded = link.session.frame(Mark(MARK), None)
    link.stop()
    link.hello()
    session.begin()
    since = _latest_event(link)
    link.port.write(recorded)
    for _ in range(3):
        session.alive()
    require_equal("executions of a former session's order", _marks(link, since), 0)


@obliges(Suite.FAULTS, "H7", needs=(Need.STATUS, Need.AUTHENTICATION))
def an_order_without_the_key_changes_nothing(session: RigSession) -> None:
    """A setpoint under no key, or another one, changes nothing."""
    link, program = session.link, session.program
    session.begin()
    setpoint = Setpoint(1, 0, program.amplitude_max_ua, program.period_min_us, 0)
    for key in (b"", bytes(32)):
        link.port.write(forged(link, setpoint, key, link.t_us + SETPOINT_LATEST_US))
    for _ in range(2):
        status = session.alive()
    require_equal("the setpoint after forged ones", status.last_sp, 0)
    require_equal("the amplitude after forged setpoints in µA", status.amplitude_ua, 0)


@obliges(Suite.FAULTS, "H7", needs=(Need.EVENTS, Need.LEASE, Need.AUTHENTICATION))
def guessed_signatures_lock_signed_traffic_out(session: RigSession) -> None:
    """Eight bad signatures are told and end signed traffic for a while; the lease goes on."""
    link = session.link
    session.deliver()
    for _ in range(BAD_TAGS):
        link.port.write(forged(link, Heartbeat(LEASE_MS, 0, 0), bytes(32)))
    begun_us = link.status().t_us
    told = [n for n in link.notices if isinstance(n, Event) and n.code == EventCode.BAD_TAGS]
    require(bool(told), "it tells nothing of bad signatures")
    latest_us = begun_us + (LEASE_MS + 500) * 1000
    while (status := session.alive()).state != State.IDLE:
        require(status.t_us <= latest_us, "heartbeats pass the lockout of signed traffic")
    while link.status().t_us < begun_us + LOCKOUT_US:
        pass
    require_equal("the answer after a lockout", link.request(Ping(5, 5), Pong).token, 5)


@obliges(Suite.FAULTS, "H7", needs=(Need.AUTHENTICATION,))
def an_observer_gives_no_orders(session: RigSession) -> None:
    """Whoever came to observe is refused every order but STOP."""
    link = session.link
    link.hello(Role.OBSERVER)
    with refused("a program of an observer", Refusal.ROLE):
        link.request(Stage(1, 0, 1, session.program.entries()), Staged)
    require_equal("the state after an observer's stop", link.stop().state, State.IDLE)


@obliges(Suite.FAULTS, "H8", "H11", needs=(Need.EVENTS, Need.AUTHENTICATION))
def an_event_is_told_until_it_is_acknowledged(session: RigSession) -> None:
    """An event is told, and told again to the next host if nobody has acknowledged it."""
    link = session.link
    since = _latest_event(link)
    link.send(Mark(MARK))
    for _ in range(2):
        link.status()
    require_equal("tellings of a mark", _marks(link, since), 1)
    next_host = Link(link.port, "the same wire", key=session.key)
    next_host.hello(Role.OBSERVER)
    for _ in range(2):
        next_host.status()
    require(_marks(next_host, since) == 1, "the next host hears nothing of an event left open")
