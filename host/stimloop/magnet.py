"""The host's gate for a magnet: its train is judged like the therapy's own pulses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop import course, electrode, gate
from stimloop.errors import Violation
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.tables import Magnet, Stimulation
    from stimloop_hw.messages import Limits


def violations(asked: Magnet, stimulation: Stimulation, limits: Limits) -> Iterator[Violation]:
    """Find what a device does not allow of a magnet.

    Parameters
    ----------
    asked : Magnet
    stimulation : Stimulation
        What the train shares with all others: contacts, rate, ramps, recharge.
    limits : Limits

    Yields
    ------
    Violation
    """
    longest_ms = runs_of(limits, Parameter.MAGNET_SWIPE_MS)[-1].high
    if asked.swipe_ms > longest_ms:
        yield Violation(
            "magnet.swipe_ms",
            f"{asked.swipe_ms} ms",
            f"1 to {longest_ms} ms" if longest_ms else "no [magnet]: this device heeds none",
            "shorten it" if longest_ms else "remove the table",
        )
    if not asked.amplitude_ma:
        return
    train = stimulation.model_copy(
        update={
            "amplitude_ma": asked.amplitude_ma,
            "amplitude_min_ma": 0.0,
            "fallback_ma": 0.0,
            "pulse_width_us": asked.pulse_width_us,
            "cycle_on_ms": asked.on_ms,
            "cycle_off_ms": limits.cycle_max_ms,
        }
    )
    for violation in (
        *gate.pulses(train, limits),
        *electrode.violations(train, limits),
        *course.violations(train, limits),
    ):
        field = violation.field.replace("stimulation.cycle_", "stimulation.")
        yield replace(violation, field=field.replace("stimulation.", "magnet."))
