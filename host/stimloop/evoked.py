"""Sensing after every pulse instead of all the time: what it needs of a device, and its parts.

Everything else of a session is the same: a sweep takes the place of a block, and the pulse
period that of the control tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop import gate
from stimloop.errors import Violation
from stimloop_dsp import EcapDetector
from stimloop_hw.program import PASSIVE
from stimloop_hw.ranges import evoked_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.prescription import Prescription
    from stimloop.tables import Evoked, Stimulation
    from stimloop_hw.messages import Limits
    from stimloop_hw.ranges import EvokedChannel

BELOW_RAIL_UV = 1.0
"""A sample this close to the converter's range is saturated, µV."""


def period_us(asked: Stimulation, limits: Limits) -> int:
    """Time from one sweep to the next, µs: the pulse period."""
    return gate.nearest_period_us(asked.rate_hz, limits.period_step_us)


def detector(asked: Evoked, limits: Limits) -> EcapDetector:
    """Build the detector of one evoked channel.

    Raises
    ------
    ValueError
        If the response does not fit into the device's sweep.
    """
    channel = evoked_of(limits)[asked.channel]
    return EcapDetector(
        channel.rate_hz,
        asked.least_uv,
        asked.n1_ms - channel.blank_us / 1000,
        channel.samples,
        asked.lobe_hz,
        asked.search,
        saturation_uv=limits.sense_range_uv - BELOW_RAIL_UV,
    )


def violations(prescription: Prescription, limits: Limits) -> Iterator[Violation]:
    """Find what a device does not allow of sensing after pulses.

    Parameters
    ----------
    prescription : Prescription
        One that has a table ``[evoked]``.
    limits : Limits

    Yields
    ------
    Violation
    """
    asked = prescription.evoked
    assert asked is not None
    channels = evoked_of(limits)
    if asked.channel >= len(channels):
        yield Violation(
            "evoked.channel",
            str(asked.channel),
            f"0 to {len(channels) - 1}" if channels else "none: it senses after no pulse",
            "use a device that senses evoked responses, such as sim://scs"
            if not channels
            else "choose a channel that the device has",
        )
        return
    try:
        detector(asked, limits)
    except ValueError as problem:
        yield Violation(
            "evoked", str(problem).rstrip("."), "a response within it", "move n1_ms"
        )
    yield from _period(prescription.stimulation, limits, channels[asked.channel])


def _period(asked: Stimulation, limits: Limits, channel: EvokedChannel) -> Iterator[Violation]:
    """A sweep has to end before the next pulse, and come often enough for a heartbeat."""
    tick_us = period_us(asked, limits)
    if tick_us > 1000 * gate.LONGEST_TICK_MS:
        yield Violation(
            "stimulation.rate_hz",
            f"{asked.rate_hz:g} Hz, a sweep in {tick_us / 1000:g} ms",
            f"at least {1000 / gate.LONGEST_TICK_MS:g} Hz, or its lease cannot be kept",
            "raise it",
        )
    ratio = asked.recharge_ratio_on(limits)
    widths = 1 if ratio == PASSIVE else 1 + ratio
    sweep_us = (
        asked.pulse_width_us * widths
        + asked.interphase_us_on(limits)
        + channel.blank_us
        + channel.samples * 1_000_000 // channel.rate_hz
    )
    if sweep_us > tick_us:
        yield Violation(
            "stimulation.rate_hz",
            f"{asked.rate_hz:g} Hz, a pulse in {tick_us} µs",
            f"at most {1e6 / sweep_us:.4g} Hz: pulse and sweep take {sweep_us} µs",
            "lower it",
        )
