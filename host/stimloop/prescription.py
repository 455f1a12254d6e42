"""What a session shall do, as a TOML file that a person writes.

::

    schema = 1
    device_id = "…" the one device that it is for, as `stimloop status` says; any if not given
    [stimulation]   the envelope: amplitude, width, rate, slew, contacts, lease
    [detector]      the beta detector: channel, band, smoothing, threshold
    [evoked]        instead of it: the response after every pulse
    [capture]       instead of a threshold: a percentile of what is sensed before therapy
    [controller]    kind = continuous | on_off | dual_threshold | proportional |
                    proportional_integral | ecap_logarithmic | ecap_linear, and the keys of
                    that kind; where = host | device
    [governor]      how often the loop may switch

Nothing is guessed or clamped: an unknown key, a number in quotes, and values that do not fit
each other are refused, all that is wrong in one `PrescriptionError`. What the device allows is
not known here; `Prescription.check` compares with what it said.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, get_args

from pydantic import PrivateAttr, ValidationError, model_validator

from stimloop import document, embedding, gate
from stimloop.errors import PrescriptionError, Violation
from stimloop.quantities import CONTACTS, DeviceId, Table
from stimloop.tables import (
    CONTROLLERS,
    Capture,
    Controller,
    Detector,
    DualThreshold,
    EcapLinear,
    EcapLogarithmic,
    Evoked,
    Governor,
    Patient,
    Stimulation,
)
from stimloop.violations import refusals, violations_of
from stimloop_hw.program import Mode, Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stimloop_hw.messages import Identity, Limits

__all__ = ["SCHEMA", "Capture", "Detector", "Prescription", "Stimulation", "load", "loads"]

SCHEMA = 1


class Prescription(Table):
    """A whole prescription.

    Attributes
    ----------
    name : str
        Free text.
    device_id : str or None
        The one device that it is for, 16 hexadecimal digits; None if it is for any.
    stimulation : Stimulation
    detector : Detector
    evoked : Evoked or None
        None where the detector's signal is sensed.
    capture : Capture or None
        None where the threshold is written down, or none is needed.
    controller : Continuous, OnOff, DualThreshold, Proportional, ProportionalIntegral, \
            EcapLogarithmic or EcapLinear
    governor : Governor
    patient : Patient or None
        None where the patient has no choice.
    """

    name: str = ""
    device_id: DeviceId | None = None
    stimulation: Stimulation
    detector: Detector = Detector()
    evoked: Evoked | None = None
    capture: Capture | None = None
    controller: Controller
    governor: Governor = Governor()
    patient: Patient | None = None
    _source: str = PrivateAttr(default="")

    @property
    def source(self) -> str:
        """The text that it was read from, for the record."""
        return self._source

    @model_validator(mode="after")
    def _fits(self) -> Self:
        found = list(_evoked_violations(self))
        if self.evoked is None and not found:
            found = [*_threshold_violations(self), *_lower_violations(self)]
        found += embedding.violations(self)
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
        violations = tuple(gate.violations(self, limits))
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
        """Express the envelope in the device's integers.

        The rate is quantised: both periods of the program are the multiple of the device's
        period step that is nearest to ``1e6 / rate_hz`` µs, halves up. 130 Hz in steps of
        10 µs becomes 7690 µs, 130.04 Hz. Nothing else is rounded.

        Parameters
        ----------
        limits : Limits
            Of the channel that is to be programmed.

        Returns
        -------
        Program

        Raises
        ------
        PrescriptionError
            If `check` finds a violation.
        """
        self.check(limits)
        asked = self.stimulation
        period_us = gate.nearest_period_us(asked.rate_hz, limits.period_step_us)
        program = Program(
            mode=Mode.TRAIN,
            amplitude_min_ua=_thousandths(asked.amplitude_min_ma),
            amplitude_max_ua=_thousandths(asked.amplitude_ma),
            width_us=asked.pulse_width_us,
            period_min_us=period_us,
            period_max_us=period_us,
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
            loop=embedding.loop_of(self, limits),
            patient_min_ua=_thousandths(self.patient.min_ma) if self.patient else 0,
            patient_max_ua=_thousandths(self.patient.max_ma) if self.patient else 0,
            patient_step_ua=_thousandths(self.patient.step_ma) if self.patient else 0,
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
    "detector": Detector,
    "evoked": Evoked,
    "capture": Capture,
    "governor": Governor,
    "patient": Patient,
    **{
        f"controller.{get_args(table.model_fields['kind'].annotation)[0]}": table
        for table in CONTROLLERS
    },
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


def _evoked_violations(asked: Prescription) -> Iterator[Violation]:
    controller, kind = asked.controller, asked.controller.kind
    holds = isinstance(controller, EcapLogarithmic | EcapLinear)
    if holds and asked.evoked is None:
        yield Violation(
            "evoked",
            "nothing",
            f"the table that tells a controller of kind {kind} where the response is",
            "add [evoked] with n1_ms",
        )
    elif asked.evoked is not None and not holds and kind != "continuous":
        yield Violation(
            "controller.kind",
            f"{kind} beside [evoked]",
            "ecap_logarithmic, ecap_linear or continuous",
            "choose one of them, or remove [evoked]",
        )
    if asked.evoked is not None and asked.capture is not None:
        yield Violation(
            "capture",
            "a [capture] beside [evoked]",
            "one of them",
            "remove it: a setpoint comes from a titration",
        )
    if isinstance(controller, EcapLogarithmic | EcapLinear):
        least_ma, most_ma = asked.stimulation.amplitude_min_ma, asked.stimulation.amplitude_ma
        if not least_ma <= controller.open_loop_ma <= most_ma:
            yield Violation(
                "controller.open_loop_ma",
                f"{controller.open_loop_ma:g} mA",
                f"amplitude_min_ma to amplitude_ma, {least_ma:g} to {most_ma:g} mA",
                "choose an amplitude of the therapy",
            )


def _threshold_violations(asked: Prescription) -> Iterator[Violation]:
    kind, threshold_uv = asked.controller.kind, asked.detector.threshold_uv
    if threshold_uv is not None and asked.capture is not None:
        yield Violation(
            "detector.threshold_uv",
            f"{threshold_uv:g} µV beside a [capture]",
            "one of them",
            "remove the threshold to capture it, or the table to keep it",
        )
    elif threshold_uv is None and asked.capture is None and kind != "continuous":
        yield Violation(
            "detector.threshold_uv",
            "nothing",
            f"a threshold for a controller of kind {kind}",
            "add threshold_uv, or a [capture] that finds it",
        )


def _lower_violations(asked: Prescription) -> Iterator[Violation]:
    dual = isinstance(asked.controller, DualThreshold)
    capture = asked.capture
    if capture is not None and (dual or capture.lower_percentile is not None):
        lower = capture.lower_percentile
        if not dual or lower is None or lower > capture.percentile:
            yield Violation(
                "capture.lower_percentile",
                "nothing" if lower is None else f"{lower:g}",
                f"0 to percentile, {capture.percentile:g}, for dual_threshold only",
                "add or lower it" if dual else "remove it",
            )
    if not isinstance(asked.controller, DualThreshold):
        return
    lower_uv, upper_uv = asked.controller.lower_uv, asked.detector.threshold_uv
    if capture is not None and lower_uv is not None:
        yield Violation(
            "controller.lower_uv",
            f"{lower_uv:g} µV beside a [capture]",
            "one of them",
            "remove it: capture.lower_percentile finds the lower threshold",
        )
    elif upper_uv is not None and (lower_uv is None or lower_uv > upper_uv):
        yield Violation(
            "controller.lower_uv",
            "nothing" if lower_uv is None else f"{lower_uv:g} µV",
            f"0 to detector.threshold_uv, {upper_uv:g} µV",
            "add the lower threshold" if lower_uv is None else "lower it",
        )
