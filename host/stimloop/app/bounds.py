"""What the device allows of each key of a program, in words beside the value.

To show, not to judge: `stimloop.gate` and the device do that.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from stimloop.quantities import exact, neighbours
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import Run, runs_of

if TYPE_CHECKING:
    from stimloop_hw.messages import Limits

_THOUSANDTHS = ("_ma", "_ma_per_s")
"""Endings of keys that are written in thousands of the device's unit."""
_LIST = 9
"""So many values at most are listed one by one."""
_AMPLITUDES = ("amplitude_ma", "amplitude_min_ma", "fallback_ma")


def runs(name: str, limits: Limits) -> tuple[Run, ...]:
    """Values that the device has for a key, in its own unit; empty where it tells none.

    Parameters
    ----------
    name : str
        Key of ``[stimulation]``; of a rate these are periods, µs.
    limits : Limits
    """
    if name in _AMPLITUDES:
        return runs_of(limits, Parameter.AMPLITUDE_MAX_UA)
    if name in ("rate_hz", "rate_min_hz"):
        return runs_of(limits, Parameter.PERIOD_MIN_US)
    tops = {
        "slew_ma_per_s": limits.slew_max_ua_s,
        "slew_down_ma_per_s": limits.slew_max_ua_s,
        "lease_ms": limits.lease_max_ms,
        "soft_start_ms": limits.soft_max_ms,
        "soft_stop_ms": limits.soft_max_ms,
        "cycle_off_ms": limits.cycle_max_ms,
        "interphase_us": limits.interphase_max_us,
    }
    if name in tops:
        return (Run(0, tops[name], 1),)
    parameters = {
        "pulse_width_us": Parameter.WIDTH_US,
        "cycle_on_ms": Parameter.CYCLE_ON_MS,
        "swipe_ms": Parameter.MAGNET_SWIPE_MS,
    }
    return runs_of(limits, parameters[name]) if name in parameters else ()


def said(name: str, limits: Limits) -> str:
    """Range and steps in words, such as ``0 – 25.5, by 0.1``; empty where none is told."""
    found = runs(name, limits)
    if not found:
        return ""
    rate = name.startswith("rate")
    scale = 1000 if name.endswith(_THOUSANDTHS) else 1
    values = [run.low + k * run.step for run in found for k in range(min(_LIST, _count(run)))]
    if sum(map(_count, found)) <= _LIST:
        shown = sorted(1e6 / value if rate else value / scale for value in set(values))
        return ", ".join(f"{value:.4g}" for value in shown)
    if rate:
        return f"{1e6 / found[-1].high:.4g} – {1e6 / found[0].low:.4g}"
    low, high = found[0].low / scale, found[-1].high / scale
    # Nobody needs to be told of steps of one.
    steps = sorted({run.step for run in found if run.high > run.low} - {1})
    by = f", by {' and '.join(f'{step / scale:g}' for step in steps)}" if steps else ""
    return f"{low:g} – {high:g}{by}"


def _count(run: Run) -> int:
    return (run.high - run.low) // run.step + 1


def stepped(name: str, value: float, direction: int, limits: Limits) -> float:
    """The next value that the device has, up or down; the same at the end of its range.

    Parameters
    ----------
    name : str
    value : float
        In the key's own unit.
    direction : int
        1 or -1.
    limits : Limits
    """
    found = runs(name, limits)
    if not found:
        return value + direction
    if name.startswith("rate"):
        return _stepped_rate(value, direction, found)
    scale = 1000 if name.endswith(_THOUSANDTHS) else 1
    at = exact(value) * scale
    hair = Fraction(direction, 10)
    below, above = neighbours(found, at + hair)
    moved = above if direction > 0 else below
    return moved / scale if scale > 1 else moved


def _stepped_rate(rate_hz: float, direction: int, found: tuple[Run, ...]) -> float:
    """Rates step by whole hertz where periods are fine, else from period to period."""
    if sum(map(_count, found)) > _LIST:
        moved = round(rate_hz) + direction
        return float(
            min(max(moved, -(-1_000_000 // found[-1].high)), 1_000_000 // found[0].low)
        )
    period = Fraction(1_000_000) / exact(rate_hz)
    below, above = neighbours(found, period - Fraction(direction))
    return round(1e6 / (below if direction > 0 else above), 3)
