"""The host's gate: a prescription against the limits that the device told.

It works in mA, µs, Hz and nC, exactly (decimals and fractions), and shares neither code nor
table with the device's own gate, which repeats the judgement on integers.
Contacts and what they may carry are judged in `stimloop.electrode`, ramps and pauses in
`stimloop.course`, and what the programs of a group may do together in `stimloop.interleaving`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from stimloop import course, electrode, evoked, interleaving, magnet, patient
from stimloop.errors import Violation
from stimloop.quantities import exact, neighbours
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.decision import DetectorTable
    from stimloop.prescription import Prescription
    from stimloop.tables import Stimulation
    from stimloop_hw.messages import Limits

LONGEST_TICK_MS = 50
"""A device holds after 150 ms without a heartbeat, and takes 100 ms of slew at a time."""


def violations(prescription: Prescription, limits: Limits) -> Iterator[Violation]:
    """Find everything that the device does not allow.

    Parameters
    ----------
    prescription : Prescription
    limits : Limits

    Yields
    ------
    Violation
    """
    first, *further = prescription.members
    found = list(_of_program(first, limits))
    for number, asked in enumerate(further):
        own = (interleaving.renamed(v, number) for v in _of_program(asked, limits))
        found += [violation for violation in own if violation not in found]
    period_us = nearest_period_us(first.rate_hz, limits.period_step_us)
    yield from found or interleaving.violations(prescription, limits, period_us)
    yield from patient.violations(prescription.patient, first, limits)
    if prescription.magnet is not None:
        yield from magnet.violations(prescription.magnet, first, limits)
    if prescription.evoked is None:
        yield from _sensing(prescription.detector, limits)
    else:
        yield from evoked.violations(prescription, limits)


def _of_program(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    yield from pulses(asked, limits)
    missing = tuple(electrode.missing_contacts(asked, limits))
    yield from missing or electrode.violations(asked, limits)
    yield from _times(asked, limits)
    yield from course.violations(asked, limits)


def pulses(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    """What the device does not allow of amplitudes, width and rate."""
    yield from _amplitudes(asked, limits)
    yield from _width(asked, limits)
    yield from _period(asked, limits)


def nearest_period_us(rate_hz: float, step_us: int) -> int:
    """Multiple of the device's step nearest to a rate's period, µs; halves go up.

    Parameters
    ----------
    rate_hz : float
        Pulses per second, > 0.
    step_us : int
        Step of the device's period, µs, > 0.
    """
    steps = Fraction(1_000_000) / exact(rate_hz) / step_us
    return math.floor(steps + Fraction(1, 2)) * step_us


def _amplitudes(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    if limits.amplitude_unit:
        yield Violation(
            "stimulation.amplitude_ma",
            f"{asked.amplitude_ma:g} mA",
            "an amplitude in volts: this device regulates voltage",
            "use a device that regulates current",
        )
        return
    top_ma = Fraction(limits.amplitude_max_ua, 1000)
    if exact(asked.amplitude_ma) > top_ma:
        yield Violation(
            "stimulation.amplitude_ma",
            f"{asked.amplitude_ma:g} mA",
            f"0 to {float(top_ma):g} mA",
            "lower it",
        )
    runs = runs_of(limits, Parameter.AMPLITUDE_MAX_UA)
    for key, value in (
        ("amplitude_ma", asked.amplitude_ma),
        ("amplitude_min_ma", asked.amplitude_min_ma),
        ("fallback_ma", asked.fallback_ma),
    ):
        below_ua, above_ua = neighbours(runs, exact(value) * 1000)
        if exact(value) <= top_ma and below_ua != above_ua:
            steps = " and ".join(
                f"steps of {run.step / 1000:g} mA up to {run.high / 1000:g} mA" for run in runs
            )
            yield Violation(
                f"stimulation.{key}",
                f"{value:.12g} mA",
                steps,
                f"write {below_ua / 1000:g} or {above_ua / 1000:g}",
            )


def _width(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    width_us, low_us, high_us = asked.pulse_width_us, limits.width_min_us, limits.width_max_us
    runs = runs_of(limits, Parameter.WIDTH_US)
    below_us, above_us = neighbours(runs, Fraction(width_us))
    if not low_us <= width_us <= high_us:
        yield Violation(
            "stimulation.pulse_width_us",
            f"{width_us} µs",
            f"{low_us} to {high_us} µs",
            "choose a width in that range",
        )
    elif below_us != above_us:
        yield Violation(
            "stimulation.pulse_width_us",
            f"{width_us} µs",
            "a width that the device has",
            f"write {below_us} or {above_us}",
        )


def _period(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    yield from _rate("rate_hz", asked.rate_hz, limits)
    if asked.rate_min_hz is not None:
        yield from _rate("rate_min_hz", asked.rate_min_hz, limits)
    period_us = nearest_period_us(asked.rate_hz, limits.period_step_us)
    if limits.period_min_us <= period_us <= limits.period_max_us:
        yield from _pulse(asked, limits, period_us)


def _rate(key: str, rate_hz: float, limits: Limits) -> Iterator[Violation]:
    period_us = nearest_period_us(rate_hz, limits.period_step_us)
    if not limits.period_min_us <= period_us <= limits.period_max_us:
        yield Violation(
            f"stimulation.{key}",
            f"{rate_hz:g} Hz",
            f"{1e6 / limits.period_max_us:g} to {1e6 / limits.period_min_us:g} Hz",
            "choose a rate in that range",
        )
        return
    runs = runs_of(limits, Parameter.PERIOD_MIN_US)
    below_us, above_us = neighbours(runs, Fraction(period_us))
    if below_us != above_us:
        yield Violation(
            f"stimulation.{key}",
            f"{rate_hz:g} Hz",
            "a rate that the device has",
            f"write {1e6 / above_us:.4g} or {1e6 / below_us:.4g}",
        )


def _pulse(asked: Stimulation, limits: Limits, period_us: int) -> Iterator[Violation]:
    gap_us = asked.interphase_us_on(limits)
    if gap_us > limits.interphase_max_us:
        yield Violation(
            "stimulation.interphase_us",
            f"{gap_us} µs",
            f"0 to {limits.interphase_max_us} µs",
            "shorten it",
        )
    ratio = asked.recharge_ratio_on(limits)
    if asked.recharge is not None and ratio > limits.recharge_max_ratio:
        yield Violation(
            "stimulation.recharge",
            f'"{asked.recharge}"',
            f'"passive" or "1:1" to "1:{limits.recharge_max_ratio}"',
            "choose one of them",
        )
    pulse_us = asked.pulse_us_on(limits)
    if pulse_us > period_us:
        yield Violation(
            "stimulation.rate_hz × pulse_width_us",
            f"{asked.rate_hz:g} Hz with pulses of {asked.pulse_width_us} µs, which take "
            f"{pulse_us} µs with their recharge",
            f"pulses that end within the period of {period_us} µs",
            f"at this width use at most {1e6 / pulse_us:.4g} Hz, or a narrower pulse",
        )


def _times(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    for key in ("slew_ma_per_s", "slew_down_ma_per_s"):
        value = getattr(asked, key)
        if value is not None and exact(value) * 1000 > limits.slew_max_ua_s:
            yield Violation(
                f"stimulation.{key}",
                f"{value:g} mA/s",
                f"at most {limits.slew_max_ua_s / 1000:g} mA/s",
                "lower it",
            )
    if asked.lease_ms > limits.lease_max_ms:
        yield Violation(
            "stimulation.lease_ms",
            f"{asked.lease_ms} ms",
            f"at most {limits.lease_max_ms} ms",
            "shorten it: the therapy must end soon after the host has gone",
        )


def _sensing(asked: DetectorTable, limits: Limits) -> Iterator[Violation]:
    if asked.channel >= limits.sense_channels:
        yield Violation(
            "detector.channel",
            str(asked.channel),
            f"0 to {limits.sense_channels - 1}" if limits.sense_channels else "none at all",
            "choose a channel that the device senses",
        )
    nyquist_hz = limits.sense_rate_hz / 2
    band_hz: tuple[float, float] = getattr(asked, "band_hz", (0.0, 0.0))
    if band_hz[1] >= nyquist_hz:
        yield Violation(
            "detector.band_hz",
            f"up to {band_hz[1]:g} Hz",
            f"below {nyquist_hz:g} Hz, half the sensing rate",
            "lower the upper edge",
        )
    if asked.saturation_uv is not None and asked.saturation_uv >= limits.sense_range_uv:
        yield Violation(
            "detector.saturation_uv",
            f"{asked.saturation_uv:g} µV",
            f"below {limits.sense_range_uv} µV, where the device clips",
            "lower it, or remove it to use that range",
        )
    tick_ms = Fraction(1000 * limits.sense_block, limits.sense_rate_hz)
    if tick_ms > LONGEST_TICK_MS:
        yield Violation(
            "the device's block",
            f"{float(tick_ms):g} ms, the control tick",
            f"at most {LONGEST_TICK_MS} ms, or its lease and slew cannot be kept",
            "let the device send shorter blocks (block_ms= of a sim:// URL)",
        )
