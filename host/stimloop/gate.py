"""The host's gate: a prescription against the limits that the device told.

It works in mA, µs, Hz and nC, exactly (decimals and fractions), and shares neither code nor
table with the device's own gate, which repeats the judgement on integers.

Charge and density count the whole current on a single contact: no credit is given for how the
tissue may share it among several.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from stimloop.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.prescription import Prescription
    from stimloop.tables import Detector, Stimulation
    from stimloop_hw.messages import Limits

_UM2_PER_CM2 = 10**8

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
    asked = prescription.stimulation
    yield from _amplitudes(asked, limits)
    yield from _width(asked, limits)
    yield from _period(asked, limits)
    yield from _charge(asked, limits)
    yield from _times(asked, limits)
    yield from _contacts(asked, limits)
    yield from _sensing(prescription.detector, limits)


def nearest_period_us(rate_hz: float, step_us: int) -> int:
    """Multiple of the device's step nearest to a rate's period, µs; halves go up.

    Parameters
    ----------
    rate_hz : float
        Pulses per second, > 0.
    step_us : int
        Step of the device's period, µs, > 0.
    """
    steps = Fraction(1_000_000) / _exact(rate_hz) / step_us
    return math.floor(steps + Fraction(1, 2)) * step_us


def _exact(value: float) -> Fraction:
    # The number that was written, not the binary one beside it.
    return Fraction(Decimal(repr(value)))


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
    step_ma = Fraction(limits.amplitude_step_ua, 1000)
    if _exact(asked.amplitude_ma) > top_ma:
        yield Violation(
            "stimulation.amplitude_ma",
            f"{asked.amplitude_ma:g} mA",
            f"0 to {float(top_ma):g} mA",
            "lower it",
        )
    for key, value in (
        ("amplitude_ma", asked.amplitude_ma),
        ("amplitude_min_ma", asked.amplitude_min_ma),
        ("fallback_ma", asked.fallback_ma),
    ):
        if _exact(value) % step_ma:
            below_ma = _exact(value) // step_ma * step_ma
            yield Violation(
                f"stimulation.{key}",
                f"{value:.12g} mA",
                f"multiples of {float(step_ma):g} mA",
                f"write {float(below_ma):g} or {float(below_ma + step_ma):g}",
            )


def _width(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    width_us, low_us, high_us = asked.pulse_width_us, limits.width_min_us, limits.width_max_us
    if not low_us <= width_us <= high_us:
        yield Violation(
            "stimulation.pulse_width_us",
            f"{width_us} µs",
            f"{low_us} to {high_us} µs",
            "choose a width in that range",
        )
    elif width_us % limits.width_step_us:
        below_us = width_us // limits.width_step_us * limits.width_step_us
        yield Violation(
            "stimulation.pulse_width_us",
            f"{width_us} µs",
            f"multiples of {limits.width_step_us} µs",
            f"write {below_us} or {below_us + limits.width_step_us}",
        )


def _period(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    period_us = nearest_period_us(asked.rate_hz, limits.period_step_us)
    if not limits.period_min_us <= period_us <= limits.period_max_us:
        yield Violation(
            "stimulation.rate_hz",
            f"{asked.rate_hz:g} Hz",
            f"{1e6 / limits.period_max_us:g} to {1e6 / limits.period_min_us:g} Hz",
            "choose a rate in that range",
        )
        return
    pulse_us = asked.pulse_width_us * (1 + limits.recharge_ratio) + limits.interphase_us
    if pulse_us > period_us:
        yield Violation(
            "stimulation.rate_hz × pulse_width_us",
            f"{asked.rate_hz:g} Hz with pulses of {asked.pulse_width_us} µs, which take "
            f"{pulse_us} µs with their recharge",
            f"pulses that end within the period of {period_us} µs",
            f"at this width use at most {1e6 / pulse_us:.4g} Hz, or a narrower pulse",
        )


def _charge(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    width_us = asked.pulse_width_us
    area_cm2 = Fraction(limits.contact_area_um2, _UM2_PER_CM2)
    charge_nc = _exact(asked.amplitude_ma) * width_us  # mA · µs = nC
    by_density_nc = limits.density_max_nc_cm2 * area_cm2
    step_ma = Fraction(limits.amplitude_step_ua, 1000)
    most_nc = min(Fraction(limits.charge_max_nc), by_density_nc)
    most_ma = min(
        most_nc / width_us // step_ma * step_ma, Fraction(limits.amplitude_max_ua, 1000)
    )
    field = "stimulation.amplitude_ma × pulse_width_us"
    product = f"{asked.amplitude_ma:g} mA × {width_us} µs"
    remedy = (
        f"at {width_us} µs use at most {float(most_ma):g} mA, or a narrower pulse"
        if most_ma
        else "use a narrower pulse"
    )
    if charge_nc > limits.charge_max_nc:
        yield Violation(
            field,
            f"{product} = {float(charge_nc):g} nC per phase",
            f"at most {limits.charge_max_nc} nC per phase on a contact",
            remedy,
        )
    if charge_nc > by_density_nc:
        density_uc_cm2 = float(charge_nc / area_cm2) / 1000 if area_cm2 else math.inf
        yield Violation(
            field,
            f"{product} on {float(area_cm2):.3g} cm² = {density_uc_cm2:.4g} µC/cm² per phase",
            f"at most {limits.density_max_nc_cm2 / 1000:g} µC/cm² per phase",
            remedy,
        )


def _times(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    if _exact(asked.slew_ma_per_s) * 1000 > limits.slew_max_ua_s:
        yield Violation(
            "stimulation.slew_ma_per_s",
            f"{asked.slew_ma_per_s:g} mA/s",
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


def _contacts(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    for key, names in (("cathodes", asked.cathodes), ("anodes", asked.anodes)):
        missing = [name for name in names if name != "case" and int(name) >= limits.contacts]
        if missing:
            yield Violation(
                f"stimulation.{key}",
                ", ".join(missing),
                f'"0" to "{limits.contacts - 1}" and "case"',
                "choose contacts that the lead has",
            )


def _sensing(asked: Detector, limits: Limits) -> Iterator[Violation]:
    if asked.channel >= limits.sense_channels:
        yield Violation(
            "detector.channel",
            str(asked.channel),
            f"0 to {limits.sense_channels - 1}" if limits.sense_channels else "none at all",
            "choose a channel that the device senses",
        )
    nyquist_hz = limits.sense_rate_hz / 2
    if asked.band_hz[1] >= nyquist_hz:
        yield Violation(
            "detector.band_hz",
            f"up to {asked.band_hz[1]:g} Hz",
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
