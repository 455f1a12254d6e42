"""What an amplifier and a generator can do together, in the words of an implant's limits.

A generator of voltages drives a load whose resistance is known: a current of the prescription
is a voltage across it. There is no electrode, and so no bound of charge: the load is a resistor
or saline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.errors import Violation
from stimloop_hw.generator import Unit
from stimloop_hw.messages import TABLE_CRC, Identity, Limits
from stimloop_hw.ranges import Bounding, Contact, Shape, pack_rows
from stimloop_hw.vocabulary import Build, ResetCause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.prescription import Prescription
    from stimloop_hw.amplifier import Amplifier
    from stimloop_hw.generator import Capability, PulseGenerator

BLOCKS_HZ = 50
"""Control ticks per second: blocks of 20 ms."""
_U16, _U32, _I32 = (1 << 16) - 1, (1 << 32) - 1, (1 << 31) - 1


def block_of(amplifier: Amplifier) -> int:
    """Samples of a control tick."""
    return max(1, amplifier.rate_hz // BLOCKS_HZ)


def limits(amplifier: Amplifier, known: Capability, load_ohm: int) -> Limits:
    """What both can do, as an implant would tell it.

    Parameters
    ----------
    amplifier : Amplifier
    known : Capability
        Of the generator.
    load_ohm : int
        Of a generator of voltages, Ω; else 0.
    """
    top_ua = known.amplitude_max * 1000 // load_ohm if load_ohm else known.amplitude_max
    step_us = known.time_step_us
    width_max_us = _U16 // step_us * step_us
    charge_nc = min(_U32, top_ua * width_max_us // 1000)
    # Not an electrode: an area and a density that bound nothing.
    load = Contact(Shape.RING, _U32, top_ua, charge_nc, Bounding.RANGE)
    return Limits(
        channel=0,
        channels=1,
        amplitude_unit=0,
        amplitude_max_ua=min(_I32, top_ua),
        amplitude_step_ua=1,
        width_min_us=known.width_min_us,
        width_max_us=width_max_us,
        width_step_us=step_us,
        period_min_us=10 * step_us,
        period_max_us=known.lease_max_ms * 1000,
        period_step_us=step_us,
        interphase_us=step_us,
        recharge_ratio=1,
        charge_max_nc=charge_nc,
        density_max_nc_cm2=_U32,
        contact_area_um2=_U32,
        contacts=1,
        slew_max_ua_s=_U32,
        lease_max_ms=10_000,
        sense_channels=amplifier.channels,
        sense_rate_hz=amplifier.rate_hz,
        sense_block=block_of(amplifier),
        sense_range_uv=amplifier.range_uv,
        case_pole=1,
        share_step_percent=100,
        interphase_max_us=10_000,
        recharge_max_ratio=8,
        soft_max_ms=250,
        cycle_max_ms=0,
        duty_max_permille=1000,
        compliance_mv=known.amplitude_max if load_ohm else _U16,
        impedance_ohm=min(load_ohm, _U16),
        capacitance_nf=_U16,
        rows=pack_rows({}, [(1, load)]),
    )


def identity(generator: PulseGenerator, told: Limits, *, simulated: bool) -> Identity:
    """Who stimulates; it has neither number nor key."""
    return Identity(
        version=0,
        build=Build.UNSIGNED | (Build.SIMULATED if simulated else Build(0)),
        reset_cause=ResetCause.POWER_ON,
        model=generator.capability.name.encode("ascii")[:16].ljust(16, b"\0"),
        firmware=generator.firmware,
        device_id=0,
        table_crc=TABLE_CRC,
        limits_crc=told.crc,
        boot=0,
        nonce=bytes(16),
    )


def violations(asked: Prescription, known: Capability) -> Iterator[Violation]:
    """Find what a generator cannot do, whatever its numbers are.

    Parameters
    ----------
    asked : Prescription
    known : Capability

    Yields
    ------
    Violation
    """
    name = known.name
    unit = "voltages" if known.unit is Unit.MV else "currents"
    if asked.controller.where == "device":
        yield Violation(
            "controller.where",
            '"device"',
            f'"host": a {name} only plays trains of {unit}',
            'write where = "host"',
        )
    if asked.evoked is not None:
        yield Violation(
            "evoked",
            "a response to each pulse",
            "a signal that is sensed all the time, beside the generator",
            "remove [evoked]",
        )
    if asked.triggers:
        yield Violation(
            "controller.kind",
            f"{asked.controller.kind}, which triggers single pulses",
            f"a train: a {name} is programmed between trains only",
            "choose a controller of the amplitude",
        )
    if asked.stimulation.soft_start_ms:
        yield Violation(
            "stimulation.soft_start_ms",
            f"{asked.stimulation.soft_start_ms} ms",
            f"0: a {name} does not ramp by itself, the controller and its slew do",
            "write 0, or lower slew_ma_per_s",
        )
    if asked.stimulation.recharge == "passive":
        yield Violation(
            "stimulation.recharge",
            '"passive"',
            '"1:1" to "1:8": nothing else takes the charge back from the load',
            "choose one of them",
        )
