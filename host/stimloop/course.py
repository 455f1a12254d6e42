"""The host's gate in time: soft start, soft stop and pauses against the device's limits."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from stimloop.errors import Violation
from stimloop.quantities import exact, neighbours
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.tables import Stimulation
    from stimloop_hw.messages import Limits


def violations(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    """Find what the device does not allow of ramps and pauses.

    Parameters
    ----------
    asked : Stimulation
    limits : Limits

    Yields
    ------
    Violation
    """
    for key, value_ms, most_ms in (
        ("soft_start_ms", asked.soft_start_ms, limits.soft_max_ms),
        ("soft_stop_ms", asked.soft_stop_ms, limits.soft_max_ms),
        ("cycle_on_ms", asked.cycle_on_ms, limits.cycle_max_ms),
        ("cycle_off_ms", asked.cycle_off_ms, limits.cycle_max_ms),
    ):
        if value_ms > most_ms:
            yield Violation(
                f"stimulation.{key}", f"{value_ms} ms", f"at most {most_ms} ms", "shorten it"
            )
    most = Fraction(limits.duty_max_permille, 1000)
    runs = runs_of(limits, Parameter.CYCLE_ON_MS)
    if not asked.cycle_on_ms:
        if most < 1 and runs[0].low:
            yield Violation(
                "stimulation.cycle_on_ms",
                "stimulation without pause",
                f"stimulation in at most {float(most) * 100:g} % of the time",
                "add cycle_on_ms and cycle_off_ms",
            )
        return
    below_ms, above_ms = neighbours(runs, Fraction(asked.cycle_on_ms))
    if below_ms != above_ms:
        yield Violation(
            "stimulation.cycle_on_ms",
            f"{asked.cycle_on_ms} ms",
            "a time on that the device has",
            f"write {below_ms} or {above_ms}" if below_ms else f"write {above_ms}",
        )
    yield from _edges(asked)
    active_ms = asked.cycle_on_ms + asked.soft_start_ms + asked.soft_stop_ms
    duty = Fraction(active_ms, asked.cycle_on_ms + asked.cycle_off_ms)
    if duty > most:
        yield Violation(
            "stimulation.cycle_off_ms",
            f"stimulation in {float(duty) * 100:.3g} % of the time, ramps included",
            f"at most {float(most) * 100:g} %",
            "pause for longer",
        )


def _edges(asked: Stimulation) -> Iterator[Violation]:
    down_ma_per_s = asked.slew_down_ma_per_s or asked.slew_ma_per_s
    for key, value_ms, slew_ma_per_s in (
        ("soft_start_ms", asked.soft_start_ms, asked.slew_ma_per_s),
        ("soft_stop_ms", asked.soft_stop_ms, down_ma_per_s),
    ):
        least_ms = exact(asked.amplitude_ma) * 1000 / exact(slew_ma_per_s)
        if value_ms < least_ms:
            yield Violation(
                f"stimulation.{key}",
                f"{value_ms} ms into or out of each pause",
                f"at least {float(least_ms):g} ms, at the slew of {slew_ma_per_s:g} mA/s",
                "lengthen it, or raise the slew",
            )
