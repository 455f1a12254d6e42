"""What obligations mean to an amplifier behind a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.rig.obligation import Broken, Kind, means, require, require_equal

if TYPE_CHECKING:
    from stimloop.rig.amplifier_session import AmplifierSession
    from stimloop_hw.blocks import Block

BLOCK, BLOCKS = 5, 50


def _blocks(session: AmplifierSession) -> list[Block]:
    session.amplifier.stream(1, BLOCK)
    blocks = [session.amplifier.sensed() for _ in range(BLOCKS)]
    session.amplifier.halt()
    require(None not in blocks, "its sensing has ended")
    return blocks


@means(Kind.AMPLIFIER, "it_says_who_it_is")
def _says_who(session: AmplifierSession) -> None:
    require(bool(session.amplifier.firmware), "it tells no firmware")


@means(Kind.AMPLIFIER, "a_channel_that_it_has_not_is_refused")
def _channel(session: AmplifierSession) -> None:
    try:
        session.amplifier.stream(1 << session.amplifier.channels, BLOCK)
    except ValueError:
        return
    raise Broken("a channel that it has not was accepted, and has to be refused")


@means(Kind.AMPLIFIER, "samples_come_without_a_gap_on_the_devices_clock")
def _samples(session: AmplifierSession) -> None:
    block_us = BLOCK * 1_000_000 // session.amplifier.rate_hz
    before, *others = _blocks(session)
    for block in others:
        require_equal("samples of a block", block.count, BLOCK)
        wanted = before.first_index + BLOCK
        require_equal("the first sample's number", block.first_index, wanted)
        require_equal("the time between blocks in µs", block.t_us - before.t_us, block_us)
        before = block
    require_equal("samples lost", session.amplifier.lost_samples, 0)


@means(Kind.AMPLIFIER, "its_clock_goes_forward")
def _clock(session: AmplifierSession) -> None:
    times_us = [block.t_us for block in _blocks(session)]
    require(times_us == sorted(set(times_us)), "its clock goes back, or stands still")
    estimate = session.amplifier.clock.estimate
    require(estimate is not None, "nothing is known of how its clock stands to the host's")
