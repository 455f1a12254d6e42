"""STOP always wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.rig.obligation import Need, Suite, obliges, refused, require, require_equal
from stimloop.rig.session import LEASE_MS, MARGIN_MS, SETPOINT_LATEST_US
from stimloop_hw.framing import PANIC
from stimloop_hw.link import Link
from stimloop_hw.messages import Heartbeat, Setpoint, Stop
from stimloop_hw.vocabulary import State, StopMode

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession

RAMP_MS = 250


def _require_silence(session: RigSession, how: str) -> None:
    """Two statuses without a pulse between them, and nothing left on the electrodes."""
    status, later = session.link.status(), session.link.status()
    require_equal(f"the amplitude after {how} in µA", status.amplitude_ua, 0)
    require_equal(f"pulses counted after {how}", later.pulses, status.pulses)
    require_equal(f"the net charge after {how} in fC", later.net_fc, 0)


@obliges(Suite.STOP, "H3")
def stop_ends_the_output_at_once(session: RigSession) -> None:
    """STOP ends the output at once, with no charge left."""
    session.deliver()
    stopped = session.link.stop(StopMode.GROUND)
    require_equal("the state after a stop", stopped.state, State.IDLE)
    _require_silence(session, "a stop")


@obliges(Suite.STOP, "H3", needs=(Need.WITNESS, Need.CLOCK))
def no_pulse_begins_after_a_stop(session: RigSession) -> None:
    """No pulse begins later than one sample period after the time that Stopped tells."""
    session.deliver()
    stopped = session.link.stop(StopMode.GROUND)
    sample_us = 1_000_000 // max(session.limits.sense_rate_hz, 1)
    for _ in range(3):
        until_us = session.link.status().t_us
    late = session.pulses(stopped.t_us + sample_us, until_us)
    require(not late, f"{len(late)} pulses began after the stop")


@obliges(Suite.STOP, "H3", needs=(Need.STATUS,))
def a_ramped_stop_ends_the_output_soon(session: RigSession) -> None:
    """A ramped STOP takes the output to zero within 250 ms."""
    session.deliver()
    stopped = session.link.stop(StopMode.RAMP)
    require_equal("the state after a ramped stop", stopped.state, State.RAMPING_DOWN)
    latest_us = stopped.t_us + (RAMP_MS + MARGIN_MS) * 1000
    status = session.silent_until(State.IDLE, latest_us)
    require_equal("the amplitude in µA", status.amplitude_ua, 0)


@obliges(Suite.STOP, "H3", needs=(Need.DEADLINES,))
def a_stop_wins_over_what_comes_with_it(session: RigSession) -> None:
    """A STOP among other orders in the same bytes ends the output; what follows is void."""
    link, program = session.link, session.program
    session.deliver()
    latest_us = link.t_us + SETPOINT_LATEST_US
    orders = (
        (Setpoint(2, 0, program.amplitude_max_ua, program.period_min_us, 0), latest_us),
        (Stop(StopMode.GROUND), None),
        (Heartbeat(LEASE_MS, 0, 0), None),
        (Setpoint(3, 0, program.amplitude_max_ua, program.period_min_us, 0), latest_us),
    )
    frames = (link.session.frame(order, expires_us) for order, expires_us in orders)
    link.port.write(b"".join(frames))
    session.silent_until(State.IDLE, link.t_us + 2 * MARGIN_MS * 1000)
    _require_silence(session, "a stop among other orders")


@obliges(Suite.STOP, "H3", needs=(Need.AUTHENTICATION,))
def a_stranger_may_stop(session: RigSession) -> None:
    """STOP needs no session and no key."""
    session.deliver()
    stranger = Link(session.link.port, "the same wire")
    require_equal("the state after a stranger's stop", stranger.stop().state, State.IDLE)
    _require_silence(session, "a stranger's stop")


@obliges(Suite.STOP, "H3", "H8", needs=(Need.STATUS,))
def the_panic_sequence_stops_without_framing(session: RigSession) -> None:
    """Three panic sequences in noise stop a device that understands nothing else."""
    link = session.link
    session.deliver()
    link.port.write(b"noise" + 3 * PANIC)
    status = session.silent_until(State.IDLE, link.t_us + 2 * MARGIN_MS * 1000)
    require_equal("the amplitude in µA", status.amplitude_ua, 0)


@obliges(Suite.STOP, "H3", "H12", needs=(Need.ARMING,))
def after_a_stop_the_whole_sequence_is_needed_again(session: RigSession) -> None:
    """After a STOP a therapy is staged, committed, armed and started anew, or not at all."""
    session.deliver()
    session.link.stop()
    with refused("a start after a stop"):
        session.link.start(session.program.crc(), LEASE_MS)
    session.deliver()
