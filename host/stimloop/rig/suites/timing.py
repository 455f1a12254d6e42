"""Time: the device's clock, and when its pulses come."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from stimloop.rig.obligation import Need, Suite, obliges, require, require_equal
from stimloop_hw.messages import Ping, Pong, Setpoint

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession

AHEAD_US = 200_000
ROUND_TRIP_US = 120_000
"""From the latest time heard to an order's arrival: a Status every 100 ms tells of it."""


@obliges(Suite.TIMING, "H8", "H11", needs=(Need.CLOCK,))
def its_clock_goes_forward(session: RigSession) -> None:
    """Times in its answers and its statuses are of one clock, which goes forward."""
    link = session.link
    earlier = link.request(Ping(1, 1), Pong)
    status = link.status()
    later = link.request(Ping(2, 2), Pong)
    require_equal("tokens of its answers", (earlier.token, later.token), (1, 2))
    times_us = (earlier.received_us, earlier.sent_us, status.t_us, later.received_us)
    require(list(times_us) == sorted(times_us), f"its clock goes back: {times_us} µs")


@obliges(Suite.TIMING, "H4", needs=(Need.STATUS, Need.CLOCK))
def its_status_comes_ten_times_a_second(session: RigSession) -> None:
    """Ten statuses a second tell how things stand."""
    times_us = [session.link.status().t_us for _ in range(11)]
    took_ms = (times_us[-1] - times_us[0]) // 1000
    require(980 <= took_ms <= 1020, f"ten statuses took {took_ms} ms")


@obliges(Suite.TIMING, "H1", needs=(Need.WITNESS, Need.CLOCK))
def pulses_come_at_the_period_ordered(session: RigSession) -> None:
    """Pulses follow one another by the period that was ordered, to the microsecond."""
    since_us = session.deliver().t_us
    for _ in range(5):
        until_us = session.alive().t_us
    pulses = session.pulses(since_us, until_us)
    require(len(pulses) > 1, f"the witness saw {len(pulses)} pulses in half a second")
    apart_us = {after.t_us - before.t_us for before, after in pairwise(pulses)}
    require_equal("times between pulses in µs", apart_us, {session.program.period_min_us})


@obliges(Suite.TIMING, "H1", "H3", needs=(Need.WITNESS, Need.CLOCK))
def a_lower_setpoint_is_in_force_with_the_next_pulse(session: RigSession) -> None:
    """A lower setpoint shows in the next pulse."""
    program = session.program
    ordered_us = session.deliver().t_us
    session.steer(2, 0)
    for _ in range(3):
        until_us = session.alive().t_us
    unchanged = [
        pulse
        for pulse in session.pulses(ordered_us, until_us)
        if pulse.amplitude_ua >= program.amplitude_max_ua
    ]
    allowed_us = ROUND_TRIP_US + 2 * program.period_min_us
    late_us = max((pulse.t_us - ordered_us for pulse in unchanged), default=0)
    require(late_us <= allowed_us, f"{late_us} µs later pulses still have the old amplitude")


@obliges(Suite.TIMING, "H1", needs=(Need.WITNESS, Need.CLOCK, Need.DEADLINES))
def a_timed_setpoint_waits_for_its_time(session: RigSession) -> None:
    """A setpoint timed ahead changes nothing before its time, and the output from then on."""
    link, program = session.link, session.program
    session.begin()
    at_us = link.t_us + AHEAD_US
    timed = Setpoint(1, 0, program.amplitude_max_ua, program.period_min_us, at_us & 0xFFFFFFFF)
    link.send(timed, link.t_us + AHEAD_US)
    begun_us = link.t_us
    for _ in range(6):
        until_us = session.alive().t_us
    early = session.pulses(begun_us, at_us)
    require(not early, f"{len(early)} pulses came before the time of their setpoint")
    require(bool(session.pulses(at_us, until_us)), "no pulse came after its time")
