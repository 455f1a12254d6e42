"""From a prescription to the parts of a loop: detector and controller."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from stimloop import evoked
from stimloop.decision import minutes_of
from stimloop.errors import Violation
from stimloop.quantities import exact
from stimloop_dsp import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stimloop.kinds import KindTable
    from stimloop.prescription import Prescription
    from stimloop_dsp import Controller, Detector
    from stimloop_hw.messages import Limits
    from stimloop_hw.program import Program

    ControllerMaker: TypeAlias = Callable[
        [Prescription, Program, int, float, float], Controller
    ]
    """`controller`, or what stands in for it where a trial controls for the loop itself."""

NEVER_UV = 1e9
"""Threshold of a detector that has none (yet), where its range reaches so far."""
BELOW_RAIL_UV = 1.0
"""A converter clips to its range exactly: a sample this close to it is saturated, µV."""


def tick_us(prescription: Prescription, limits: Limits) -> int:
    """Control tick: one stream block, or one pulse where that is what is sensed after, µs."""
    if prescription.evoked is not None:
        return evoked.period_us(prescription.stimulation, limits)
    return limits.sense_block * 1_000_000 // limits.sense_rate_hz


def detector(prescription: Prescription, limits: Limits) -> Detector:
    """Build the detector; where the threshold is captured it is set later.

    Parameters
    ----------
    prescription : Prescription
    limits : Limits

    Returns
    -------
    Detector
        For blocks, or sweeps, of the one channel that is streamed.

    Raises
    ------
    ValueError
        If the detector refuses its parameters, in one sentence.
    """
    if prescription.evoked is not None:
        return evoked.detector(prescription.evoked, limits)
    table = prescription.detector
    upper_uv, lower_uv = thresholds_uv(prescription)
    return table.make(  # type: ignore[no-any-return]  # what a name stands for
        **_given(
            table,
            fs_hz=limits.sense_rate_hz,
            threshold_uv=upper_uv,
            lower_uv=lower_uv,
            saturation_uv=table.saturation_uv or limits.sense_range_uv - BELOW_RAIL_UV,
        )
    )


def controller(
    prescription: Prescription,
    program: Program,
    tick_us: int,
    threshold_uv: float,
    lower_uv: float,
) -> Controller:
    """Build the controller.

    Parameters
    ----------
    prescription : Prescription
    program : Program
        The committed envelope, which is the controller's range.
    tick_us : int
        Control tick, µs.
    threshold_uv, lower_uv : float
        Thresholds, prescribed or captured, µV; what the controller does not use is ignored.

    Returns
    -------
    Controller

    Raises
    ------
    ValueError
        If a controller refuses its parameters, in one sentence.
    """

    def made(table: KindTable, within: Program) -> Controller:
        return table.make(  # type: ignore[no-any-return]  # what a name stands for
            **_given(
                table,
                tick_us=tick_us,
                amplitude_min_ua=within.amplitude_min_ua,
                amplitude_max_ua=within.amplitude_max_ua,
                period_us=within.period_min_us,
                period_min_us=within.period_min_us,
                period_max_us=within.period_max_us,
                threshold_uv=threshold_uv,
                lower_uv=lower_uv,
            )
        )

    own = made(prescription.controller, program)
    if prescription.schedule is None:
        return own
    controllers, slots = [own], [0] * 48
    for number, entry in enumerate(prescription.schedule.entries, 1):
        changed: dict[str, Any] = {
            name: int(exact(value) * 1000)
            for name, value in (
                ("amplitude_max_ua", entry.amplitude_ma),
                ("amplitude_min_ua", entry.amplitude_min_ma),
            )
            if value is not None
        }
        controllers.append(made(entry.controller, replace(program, **changed)))
        for slot in entry.slots:
            slots[slot] = number
    return Schedule(controllers, slots, 60 * minutes_of(prescription.schedule.starts_at))


def thresholds_uv(prescription: Prescription) -> tuple[float, float]:
    """Thresholds as prescribed, the upper one first, µV.

    Where there is none (yet) it is the greatest that the detector may have.

    Parameters
    ----------
    prescription : Prescription
    """
    asked = prescription.detector
    highest_uv = min(
        (p.allowed.high for p in asked.parameters if p.name == "threshold_uv"),
        default=NEVER_UV,
    )
    upper_uv = asked.threshold_uv or min(highest_uv, NEVER_UV)
    return upper_uv, upper_uv / 2 if asked.lower_uv is None else asked.lower_uv


def violations(
    prescription: Prescription, program: Program, limits: Limits
) -> Iterator[Violation]:
    """What detector and controllers themselves refuse.

    Parameters
    ----------
    prescription : Prescription
    program : Program
    limits : Limits

    Yields
    ------
    Violation
    """
    try:
        detector(prescription, limits)
    except ValueError as problem:
        yield _refused("detector", problem)
    try:
        controller(
            prescription,
            program,
            tick_us(prescription, limits),
            *thresholds_uv(prescription),
        )
    except ValueError as problem:
        yield _refused("controller", problem)


def _refused(field: str, problem: ValueError) -> Violation:
    """A sentence of the form "X was asked for; Y is allowed. Do Z." in its parts."""
    asked, _, rest = str(problem).partition("; ")
    allowed, _, remedy = rest.partition(". ")
    for verb in ("was", "were"):
        asked = asked.removesuffix(f" {verb} asked for")
    for verb in ("is", "are"):
        allowed = allowed.removesuffix(f" {verb} allowed")
    remedy = f"{remedy[:1].lower()}{remedy[1:].rstrip('.')}"
    return Violation(field, asked, allowed or "something else", remedy or "change it")


def _given(table: KindTable, **given: Any) -> dict[str, Any]:  # noqa: ANN401
    """What is prescribed, and of what the session gives that which the kind has."""
    return table.values() | {
        name: value for name, value in given.items() if table.declares(name)
    }
