"""Programs for the rig, found in a device's own limits: gentle ones, and ones just beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.program import CASE, Mode, Parameter, Program
from stimloop_hw.ranges import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stimloop_hw.messages import Limits
    from stimloop_hw.ranges import Run

STEPS = 10
"""Steps of amplitude of a gentle program, unless its slew allows less."""
WIDTH_US, PERIOD_US = 60, 10_000
"""The shortest that a gentle program has."""
RISE_S = 0.1
"""A setpoint rises from zero to the largest amplitude in so long, which no device refuses."""


def at_least(runs: Iterable[Run], value: int) -> int | None:
    """The smallest value of these runs that is not below another one."""
    found = [
        max(run.low, run.low + -(-(value - run.low) // run.step) * run.step) for run in runs
    ]
    possible = [v for v, run in zip(found, runs, strict=True) if v <= run.high]
    return min(possible, default=None)


def between(runs: Iterable[Run]) -> int | None:
    """A value inside the range of these runs that none of them has; None if all are there."""
    runs = tuple(runs)
    for run in runs:
        beside = run.low + 1
        if run.low < run.high and at_least(runs, beside) != beside:
            return beside
    for run in runs[:-1]:
        if at_least(runs, run.high + 1) != run.high + 1:
            return run.high + 1
    return None


def gentle(limits: Limits) -> Program:
    """A program well inside a device's limits."""
    amplitudes = runs_of(limits, Parameter.AMPLITUDE_MAX_UA)
    widths = runs_of(limits, Parameter.WIDTH_US)
    periods = runs_of(limits, Parameter.PERIOD_MIN_US)
    step_ua = amplitudes[0].step
    steps = min(
        STEPS, amplitudes[0].high // step_ua, int(limits.slew_max_ua_s * RISE_S) // step_ua
    )
    top_ua = steps * step_ua
    period_us = at_least(periods, PERIOD_US) or periods[-1].high
    return Program(
        mode=Mode.TRAIN,
        amplitude_min_ua=0,
        amplitude_max_ua=top_ua,
        width_us=at_least(widths, WIDTH_US) or widths[-1].high,
        period_min_us=period_us,
        period_max_us=at_least(periods, 2 * period_us) or period_us,
        slew_ua_s=round(top_ua / RISE_S),
        fallback_ua=0,
        cathodes=0b01,
        anodes=CASE if limits.case_pole else 0b10,
    )
