"""What a session shall do, as a TOML file that a person writes.

::

    schema = 1
    device_id = "…" the one device that it is for, as `stimloop status` says; any if not given
    group = "A"     in which of the device's groups, A to D
    [stimulation]   the envelope: amplitude, width, rate, slew, contacts, lease
    [[interleaved]] up to three programs more in the same period, at amplitudes of their own
    [detector]      kind, its own keys, and channel and thresholds
    [evoked]        instead of it: the response after every pulse
    [magnet]        how the device heeds a magnet
    [capture]       instead of a threshold: a percentile of what is sensed before therapy
    [controller]    kind, and its own keys (docs/controllers.md); where = host | device
    [schedule]      other controllers by time of day
    [governor]      how often the loop may switch

Nothing is guessed or clamped: an unknown key, a number in quotes, and values that do not fit
each other are refused, all that is wrong in one `PrescriptionError`. What the device allows is
not known here; `Prescription.check` compares with what it said.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from stimloop import accord, assembly, document, embedding, gate, interleaving
from stimloop.decision import (
    DETECTORS,
    Capture,
    Controller,
    ControllerTable,
    Detector,
    DetectorTable,
    Entry,
    Schedule,
)
from stimloop.errors import PrescriptionError, Violation
from stimloop.group import Group
from stimloop.kinds import tells_of
from stimloop.quantities import CONTACTS, DeviceId, Table
from stimloop.tables import Evoked, Governor, Interleaved, Magnet, Patient, Stimulation
from stimloop.violations import refusals, violations_of
from stimloop_dsp import Aspect
from stimloop_hw.groups import NAMES, PROGRAMS
from stimloop_hw.program import Mode, Program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stimloop_hw.messages import Identity, Limits

__all__ = ["SCHEMA", "Capture", "Prescription", "Stimulation", "load", "loads"]

SCHEMA = 1


class Prescription(Table):
    """A whole prescription.

    Attributes
    ----------
    name : str
        Free text.
    device_id : str or None
        The one device that it is for, 16 hexadecimal digits; None if it is for any.
    group : str
        A to D: which of the device's groups becomes the active one.
    stimulation : Stimulation
        The first program of the group, which the loop moves, and what all share.
    interleaved : tuple of Interleaved
        Its further programs, in the order of their pulses.
    magnet : Magnet or None
        None where the device heeds none.
    detector : DetectorTable
    evoked : Evoked or None
        None where the detector's signal is sensed.
    capture : Capture or None
        None where the threshold is written down, or none is needed.
    controller : ControllerTable
    schedule : Schedule or None
        None where one controller acts all day.
    governor : Governor
    patient : Patient or None
        None where the patient has no choice.
    """

    name: str = ""
    device_id: DeviceId | None = None
    group: Literal["A", "B", "C", "D"] = "A"
    stimulation: Stimulation
    interleaved: Annotated[
        tuple[Interleaved, ...], Field(strict=False, max_length=PROGRAMS - 1)
    ] = ()
    magnet: Magnet | None = None
    detector: Detector = DETECTORS.validate({})  # type: ignore[assignment]  # a DetectorTable
    evoked: Evoked | None = None
    capture: Capture | None = None
    controller: Controller
    schedule: Schedule | None = None
    governor: Governor = Governor()
    patient: Patient | None = None
    _source: str = PrivateAttr(default="")

    @property
    def source(self) -> str:
        """The text that it was read from, for the record."""
        return self._source

    @property
    def controllers(self) -> tuple[ControllerTable, ...]:
        """Every controller that may act: the prescription's own, then those of the schedule."""
        entries = () if self.schedule is None else self.schedule.entries
        return (self.controller, *(entry.controller for entry in entries))

    @property
    def members(self) -> tuple[Stimulation, ...]:
        """What each program of the group asks for, the first one first."""
        first = self.stimulation
        return (first, *(program.beside(first) for program in self.interleaved))

    def uses(self, parameter: str) -> bool:
        """Whether detector or controllers have a parameter of this name."""
        return any(part.declares(parameter) for part in (self.detector, *self.controllers))

    @property
    def senses_heart(self) -> bool:
        """Whether the level is the heart's rate, bpm, and not an amplitude, µV."""
        return self.evoked is None and Aspect.HEART_RATE in tells_of(self.detector.make)

    @property
    def triggers(self) -> bool:
        """Whether pulses are triggered one by one, instead of a train that runs."""
        return any(getattr(table.make, "triggers", False) for table in self.controllers)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        found = [*accord.violations(self), *embedding.violations(self)]
        if found:
            raise refusals(found)
        return self

    def check(self, limits: Limits) -> None:
        """Compare with what a device said it can do and must never do.

        Parameters
        ----------
        limits : Limits
            Of the channel that is to be programmed.

        Raises
        ------
        PrescriptionError
            With every violation, if there is any.
        """
        violations = tuple(gate.violations(self, limits)) or tuple(
            assembly.violations(self, self._programs(limits).first, limits)
        )
        if violations:
            raise PrescriptionError(violations)

    def check_device(self, identity: Identity) -> None:
        """Compare the device that answers with the one that this is for.

        Parameters
        ----------
        identity : Identity

        Raises
        ------
        PrescriptionError
            If it is another one.
        """
        if self.device_id not in (None, identity.serial):
            violation = Violation(
                "device_id",
                f"device {self.device_id}",
                f"device {identity.serial}, which answers",
                "connect the device that it is for, or take this one's prescription",
            )
            raise PrescriptionError((violation,))

    def program(self, limits: Limits) -> Program:
        """The first program of `programs`, which the loop moves."""
        return self.programs(limits).first

    def programs(self, limits: Limits) -> Group:
        """Express the group in the device's integers.

        Rates are quantised: the periods of the program are the multiples of the device's
        period step that are nearest to ``1e6 / rate_hz`` µs, halves up. 130 Hz in steps of
        10 µs becomes 7690 µs, 130.04 Hz. Nothing else is rounded.

        Parameters
        ----------
        limits : Limits
            Of the channel that is to be programmed.

        Returns
        -------
        Group

        Raises
        ------
        PrescriptionError
            If `check` finds a violation.
        """
        self.check(limits)
        return self._programs(limits)

    def _programs(self, limits: Limits) -> Group:
        first, *further = (
            replace(self._program(asked, limits), offset_us=offset_us)
            for asked, offset_us in zip(
                self.members, interleaving.offsets_us(self, limits), strict=True
            )
        )
        patient = self.patient
        if patient is not None:
            first = replace(
                first,
                patient_min_ua=_thousandths(patient.min_ma),
                patient_max_ua=_thousandths(patient.max_ma),
                patient_step_ua=_thousandths(patient.step_ma),
            )
        magnet = self.magnet
        if magnet is not None:
            first = replace(
                first,
                magnet_swipe_ms=magnet.swipe_ms,
                magnet_amplitude_ua=_thousandths(magnet.amplitude_ma),
                magnet_width_us=magnet.pulse_width_us,
                magnet_on_ms=magnet.on_ms,
            )
        first = replace(first, loop=embedding.loop_of(self, limits))
        return Group(NAMES.index(self.group), (first, *further))

    def _program(self, asked: Stimulation, limits: Limits) -> Program:
        period_us = gate.nearest_period_us(asked.rate_hz, limits.period_step_us)
        slowest_hz = asked.rate_hz if asked.rate_min_hz is None else asked.rate_min_hz
        program = Program(
            mode=Mode.TRIGGERED if self.triggers else Mode.TRAIN,
            amplitude_min_ua=_thousandths(asked.amplitude_min_ma),
            amplitude_max_ua=_thousandths(asked.amplitude_ma),
            width_us=asked.pulse_width_us,
            period_min_us=period_us,
            period_max_us=gate.nearest_period_us(slowest_hz, limits.period_step_us),
            slew_ua_s=_thousandths(asked.slew_ma_per_s),
            fallback_ua=_thousandths(asked.fallback_ma),
            cathodes=sum(CONTACTS[name] for name in asked.cathodes),
            anodes=sum(CONTACTS[name] for name in asked.anodes),
            interphase_us=asked.interphase_us_on(limits),
            recharge_ratio=asked.recharge_ratio_on(limits),
            slew_down_ua_s=_thousandths(asked.slew_down_ma_per_s or 0.0),
            soft_start_ms=asked.soft_start_ms,
            soft_stop_ms=asked.soft_stop_ms,
            cycle_on_ms=asked.cycle_on_ms,
            cycle_off_ms=asked.cycle_off_ms,
        )
        if not asked.shares_percent:
            return program
        return program.with_shares(
            {
                CONTACTS[name].bit_length() - 1: int(part * 100)
                for name, part in asked.parts.items()
            }
        )


_TABLES: dict[str, type[Table]] = {
    "": Prescription,
    "stimulation": Stimulation,
    "interleaved": Interleaved,
    "magnet": Magnet,
    "detector": DetectorTable,
    "evoked": Evoked,
    "capture": Capture,
    "schedule": Schedule,
    "schedule.entries": Entry,
    "governor": Governor,
    "patient": Patient,
}


def _thousandths(value: float) -> int:
    # By way of the decimal digits, since 3.1 * 1000 is not 3100 in binary.
    return int(Decimal(repr(value)) * 1000)


def load(path: Path | str) -> Prescription:
    """Read a prescription.

    Parameters
    ----------
    path : Path or str
        A TOML file.

    Returns
    -------
    Prescription

    Raises
    ------
    PrescriptionError
        If the file cannot be read, or what it says is refused.
    """
    return loads(document.read_text(path, PrescriptionError))


def loads(text: str) -> Prescription:
    """Read a prescription from the text of its file; see `load`."""
    prescription = of_tables(document.tables_of(text, SCHEMA, PrescriptionError))
    prescription._source = text  # noqa: SLF001  set once, where it is made
    return prescription


def of_tables(tables: Mapping[str, Any]) -> Prescription:
    """Read a prescription from the tables of its file, `schema` taken out.

    What is made so has no text, so no session can record it.

    Raises
    ------
    PrescriptionError
        If what they say is refused.
    """
    try:
        return Prescription.model_validate(tables)
    except ValidationError as error:
        raise PrescriptionError(violations_of(error, _TABLES)) from None
