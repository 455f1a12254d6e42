"""The lease: heartbeats keep a therapy, silence alone ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop.rig.forgery import forged
from stimloop.rig.obligation import Need, Suite, obliges, refused, require, require_equal
from stimloop.rig.session import LEASE_MS, MARGIN_MS, SETPOINT_LATEST_US
from stimloop_hw.link import Link
from stimloop_hw.messages import Heartbeat, Ping, Pong, Setpoint
from stimloop_hw.vocabulary import Refusal, Role, State

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession

HOLD_MS, FALLBACK_MS, RAMP_MS = 150, 400, 250
"""SL1's promise: silence until HOLD and FALLBACK, and the duration of the device's ramps."""


@obliges(Suite.LEASE, "H4", needs=(Need.LEASE,))
def heartbeats_keep_the_therapy(session: RigSession) -> None:
    """Heartbeats keep a therapy running beyond its lease."""
    session.deliver()
    for _ in range(2 * LEASE_MS // 100):
        require_equal("the state under heartbeats", session.alive().state, State.STIMULATING)


@obliges(Suite.LEASE, "H3", needs=(Need.LEASE, Need.STATUS))
def silence_alone_ends_the_output(session: RigSession) -> None:
    """Whoever says nothing any more stimulates nothing any more, once the lease is over."""
    status = session.deliver()
    ended_us = status.t_us + (LEASE_MS + RAMP_MS + MARGIN_MS) * 1000
    while (status := session.link.status()).t_us < ended_us:
        pass
    require_equal("the amplitude behind the lease in µA", status.amplitude_ua, 0)
    later = session.link.status()
    require_equal("pulses counted later", later.pulses, status.pulses)


@obliges(Suite.LEASE, "H3", "H4", needs=(Need.LEASE, Need.STATUS))
def silence_holds_falls_back_and_ends_the_therapy(session: RigSession) -> None:
    """Silence leads to HOLD after 150 ms, FALLBACK after 400 ms, off behind the lease."""
    link = session.link
    session.deliver()
    link.send(Heartbeat(LEASE_MS, 0, 0))
    begun_us = link.request(Ping(1, 1), Pong).sent_us
    for state, after_ms in (
        (State.HOLD, HOLD_MS),
        (State.FALLBACK, FALLBACK_MS),
        (State.RAMPING_DOWN, LEASE_MS),
        (State.IDLE, LEASE_MS + RAMP_MS),
    ):
        session.silent_until(state, begun_us + (after_ms + MARGIN_MS) * 1000)
    status = link.status()
    require_equal("the amplitude behind the lease in µA", status.amplitude_ua, 0)
    require_equal("the lease left in ms", status.lease_left_ms, 0)
    later = link.status()
    require_equal("pulses counted later", later.pulses, status.pulses)
    require_equal("the net charge in fC", later.net_fc, 0)


@obliges(Suite.LEASE, "H4", needs=(Need.LEASE, Need.STATUS))
def silence_leads_to_the_committed_fallback(session: RigSession) -> None:
    """In FALLBACK the output goes to the committed amplitude within 250 ms, and stays there."""
    limits, program = session.limits, session.program
    half_ua = program.amplitude_max_ua // 2 // limits.amplitude_step_ua
    program = replace(program, fallback_ua=half_ua * limits.amplitude_step_ua)
    session.deliver(program)
    silent_us = session.link.t_us
    session.silent_until(State.FALLBACK, silent_us + (FALLBACK_MS + MARGIN_MS) * 1000)
    ramped_us = session.link.t_us + RAMP_MS * 1000
    while (status := session.link.status()).t_us < ramped_us:
        pass
    require_equal("the state", status.state, State.FALLBACK)
    require_equal("the amplitude in FALLBACK in µA", status.amplitude_ua, program.fallback_ua)


@obliges(Suite.LEASE, "H4", needs=(Need.LEASE,))
def a_heartbeat_recovers_hold(session: RigSession) -> None:
    """A heartbeat takes a therapy out of HOLD."""
    session.deliver()
    session.silent_until(State.HOLD, session.link.t_us + FALLBACK_MS * 1000)
    session.alive()
    require_equal("the state after a heartbeat", session.alive().state, State.STIMULATING)


@obliges(Suite.LEASE, "H1", "H4", needs=(Need.LEASE, Need.STATUS))
def nothing_rises_in_hold(session: RigSession) -> None:
    """In HOLD no setpoint raises the output."""
    link, program = session.link, session.program
    low_ua = session.limits.amplitude_step_ua
    session.begin()
    session.steer(1, low_ua)
    session.alive()
    session.silent_until(State.HOLD, link.t_us + FALLBACK_MS * 1000)
    rise = Setpoint(2, 0, program.amplitude_max_ua, program.period_min_us, 0)
    refusals = session.refusals(rise, link.t_us + SETPOINT_LATEST_US)
    require_equal("refusals of a rise in HOLD", refusals, [Refusal.HELD])
    status = link.status()
    require(
        status.amplitude_ua <= low_ua,
        f"in HOLD the amplitude rose from {low_ua} µA to {status.amplitude_ua} µA",
    )


@obliges(Suite.LEASE, "H7", needs=(Need.LEASE, Need.AUTHENTICATION))
def a_new_host_cannot_keep_an_old_lease_alive(session: RigSession) -> None:
    """A second controller is refused, and one that comes later cannot renew the old lease."""
    link = session.link
    session.deliver()
    with refused("a second controller", Refusal.BUSY):
        link.hello()
    stranger = Link(link.port, "the same wire", key=session.key)
    stranger.hello(Role.OBSERVER)
    latest_us = stranger.t_us + FALLBACK_MS * 1000
    session.silent_until(State.HOLD, latest_us, stranger)
    link.hello()
    latest_us = link.t_us + (LEASE_MS + RAMP_MS + MARGIN_MS) * 1000
    while (status := session.alive()).state != State.IDLE:
        require(status.t_us <= latest_us, "heartbeats of a new host keep the old lease alive")
    require_equal("the amplitude behind the lease in µA", status.amplitude_ua, 0)


@obliges(Suite.LEASE, "H7", needs=(Need.LEASE, Need.AUTHENTICATION))
def a_heartbeat_without_the_key_keeps_nothing_alive(session: RigSession) -> None:
    """Heartbeats under no key, or another one, are none: the therapy falls back."""
    link = session.link
    session.deliver()
    latest_us = link.t_us + (FALLBACK_MS + MARGIN_MS) * 1000
    keys = 3 * [b"", bytes(32)]  # fewer than lock out
    while (status := link.status()).state != State.FALLBACK:
        require(status.t_us <= latest_us, "heartbeats without the key keep a therapy alive")
        if keys:
            link.port.write(forged(link, Heartbeat(LEASE_MS, 0, 0), keys.pop()))
