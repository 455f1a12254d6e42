"""Samples: their clock, their count, and what follows a pulse."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from stimloop.rig.obligation import Need, Suite, obliges, refused, require, require_equal
from stimloop.rig.session import LEASE_MS
from stimloop_hw.messages import Heartbeat
from stimloop_hw.ranges import evoked_of
from stimloop_hw.vocabulary import SensedFlag

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession
    from stimloop_hw.blocks import Block

BLOCKS = 50
SWEEPS = 20


def _next(session: RigSession) -> Block:
    block = session.link.sensed()
    require(block is not None, "its sensing has ended")
    assert block is not None
    return block


@obliges(Suite.STREAMING, "H8", "H10", needs=(Need.SENSING, Need.CLOCK))
def samples_come_without_a_gap_on_the_devices_clock(session: RigSession) -> None:
    """Blocks of samples follow one another without a gap, each a block's time later."""
    link, limits = session.link, session.limits
    link.stream(1, limits.sense_rate_hz, limits.sense_block)
    block_us = limits.sense_block * 1_000_000 // limits.sense_rate_hz
    before = _next(session)
    for _ in range(BLOCKS):
        block = _next(session)
        require_equal("channels of a block", block.channels, 1)
        require_equal("samples of a block", block.count, limits.sense_block)
        wanted = before.first_index + before.count
        require_equal("the first sample's number", block.first_index, wanted)
        require_equal("the time between blocks in µs", block.t_us - before.t_us, block_us)
        before = block
    require_equal("samples lost", link.blocks.lost_samples, 0)


@obliges(Suite.STREAMING, "H4", needs=(Need.EVOKED, Need.CLOCK))
def after_a_pulse_comes_a_sweep(session: RigSession) -> None:
    """After each pulse comes its sweep of samples, numbered, none lost."""
    link, program = session.link, session.program
    channel = evoked_of(session.limits)[0]
    session.deliver()
    link.stream_evoked(session.limits.sense_channels, channel)
    blocks = []
    for _ in range(SWEEPS):
        blocks.append(_next(session))
        link.send(Heartbeat(LEASE_MS, 0, link.event_ack))
    require_equal("lengths of sweeps", {b.count for b in blocks}, {channel.samples})
    steps = [b.first_index - a.first_index for a, b in pairwise(blocks)]
    require_equal("numbers of sweeps grow by", steps, [1] * (SWEEPS - 1))
    after_pulses = all(block.flags & SensedFlag.STIM for block in blocks[2:])
    require(after_pulses, "a sweep does not say that it follows a pulse")
    require_equal("samples lost before sweeps", sum(block.lost for block in blocks), 0)
    apart_us = (blocks[-1].t_us - blocks[2].t_us) / (SWEEPS - 3)
    require(
        abs(apart_us - program.period_min_us) <= 1000,
        f"sweeps are {apart_us:.0f} µs apart, pulses {program.period_min_us} µs",
    )


@obliges(Suite.STREAMING, "H12", needs=(Need.SENSING,))
def a_rate_that_it_has_not_is_refused(session: RigSession) -> None:
    """Asked for a sampling rate that it has not, it refuses."""
    limits = session.limits
    with refused("a sampling rate that it has not"):
        session.link.stream(1, limits.sense_rate_hz + 1, limits.sense_block)
