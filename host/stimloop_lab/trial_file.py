"""Tables of a trial's file, and what one of them refuses by itself."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from stimloop.errors import Violation
from stimloop.quantities import Number, Percentile, Table
from stimloop.violations import refusals
from stimloop_lab.therapy import Seed  # noqa: TC001  # pydantic reads it

CELLS_MAX = 100_000
"""More cells than this are a slip of the pen."""
LONGEST_S = 31 * 86_400.0
"""Of a cell, s."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


_CHANGES = {"override", "threshold_percentile", "lower_percentile", "titrated"}


def _flat(value: object) -> object:
    """Parameters of a patient's parts by their paths: ``heart.rest_bpm``."""
    if not isinstance(value, dict):
        return value
    flat: dict[str, object] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            below = _flat(inner)
            assert isinstance(below, dict)
            flat |= {f"{name}.{path}": number for path, number in below.items()}
        else:
            flat[name] = inner
    return flat


class PatientTable(Table):
    """A virtual patient, or a cohort of them.

    Attributes
    ----------
    name : str
        A patient of `stimloop_sim.patients`; of one patient.
    label : str
        What the tables call it; its name if not given; of one patient.
    cohort : str
        A kind of `stimloop_sim.cohort`, whose members are called by their own names.
    count, seed : int
        How many are drawn, and the seed of the draw; of a cohort.
    parameters : dict of str to float
        Parameters that differ from the patient's, or from every member's, by their path.
    postures : str
        Course of postures, as ``sitting:30,supine:60``; of spinal cord stimulation.
    """

    name: str = ""
    label: str = ""
    cohort: str = ""
    count: Annotated[int, Field(ge=0, le=CELLS_MAX)] = 0
    seed: Seed = 0
    parameters: Annotated[dict[str, Number], BeforeValidator(_flat)] = Field(
        default_factory=dict
    )
    postures: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.name) is bool(self.cohort) or bool(self.count) is not bool(self.cohort):
            raise refusals(
                [
                    Violation(
                        "patients",
                        f'name = "{self.name}", cohort = "{self.cohort}", count = {self.count}',
                        "the name of one patient, or a cohort and a count above 0",
                        "write one of the two",
                    )
                ]
            )
        return self


class ArmTable(Table):
    """An arm: a therapy, or what controls for it.

    Attributes
    ----------
    name : str
    kind : str
        ``therapy``: a prescription. ``sham``: the loop runs, nothing is delivered. ``yoked``:
        another patient's amplitudes, tick by tick. ``random_duty``: on and off at random.
    prescription : str
        Path of a TOML file, seen from the trial's; of a therapy.
    override : dict
        Tables of the prescription with other values, key by key; of a therapy.
    threshold_percentile, lower_percentile : float or None
        Of the patient's own level without stimulation: the threshold and the lower threshold.
        None leaves those of the prescription; of a therapy of the brain.
    titrated : bool
        Whether setpoint and amplitudes are those of the patient's own titration; of a therapy
        of the spinal cord.
    of : str
        The therapy that is controlled for.
    duty : float or None
        Fraction of time on, of random_duty.
    mean_on_s : float
        Mean duration of a period on, s, of random_duty.
    """

    name: str
    kind: Literal["therapy", "sham", "yoked", "random_duty"] = "therapy"
    prescription: str = ""
    override: dict[str, Any] = Field(default_factory=dict)
    threshold_percentile: Percentile | None = None
    lower_percentile: Percentile | None = None
    titrated: bool = False
    of: str = ""
    duty: Annotated[Number, Field(gt=0, lt=1)] | None = None
    mean_on_s: Annotated[Number, Field(gt=0, le=3600)] = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        therapy = self.kind == "therapy"
        found = [
            Violation(
                f"arms.{self.name}.{key}",
                "a value" if getattr(self, key) else "nothing",
                allowed,
                f"{'add' if wanted else 'remove'} {key}, or choose another kind",
            )
            for key, wanted, allowed in (
                ("prescription", therapy, "a prescription for a therapy, and for no control"),
                ("of", not therapy, "the arm controlled for, of a control and of no therapy"),
                ("duty", self.kind == "random_duty", "a duty for random_duty only"),
            )
            if bool(getattr(self, key)) is not wanted
        ]
        if not therapy and _CHANGES & self.model_fields_set:
            found.append(
                Violation(
                    f"arms.{self.name}",
                    f"changes to the prescription of a {self.kind} arm",
                    "the prescription of the arm controlled for, as it is",
                    f"change it there, in {self.of}",
                )
            )
        if self.lower_percentile is not None and (
            self.threshold_percentile is None
            or self.lower_percentile > self.threshold_percentile
        ):
            found.append(
                Violation(
                    f"arms.{self.name}.lower_percentile",
                    f"{self.lower_percentile:g}",
                    "0 to threshold_percentile, and only with it",
                    "lower it, or give threshold_percentile",
                )
            )
        if found:
            raise refusals(found)
        return self


class Blinding(Table):
    """Codes instead of names, and an order of the arms for each patient, drawn from a seed."""

    seed: Seed


class TrialTable(Table):
    """The whole file.

    Attributes
    ----------
    name : str
        Free text.
    device : str
        Profile of the simulated implant.
    seeds, first_seed : int
        How many lives of each patient, and the seed of the first; the others follow.
    durations_s : tuple of float
        Of therapy, s.
    reference : str
        The arm that the others are compared with; the first if not given.
    calibration : dict
        Of what, the device's therapy says.
    blinding : Blinding or None
        None where the arms are called by their names.
    patients : tuple of PatientTable
    arms : tuple of ArmTable
    """

    name: str = ""
    device: str = "dbs"
    seeds: Annotated[int, Field(ge=1, le=CELLS_MAX)] = 1
    first_seed: Seed = 0
    durations_s: Annotated[
        tuple[Annotated[Number, Field(gt=0, le=LONGEST_S)], ...], Field(strict=False)
    ]
    reference: str = ""
    calibration: dict[str, Any] = Field(default_factory=dict)
    blinding: Blinding | None = None
    patients: Annotated[tuple[PatientTable, ...], Field(strict=False)]
    arms: Annotated[tuple[ArmTable, ...], Field(strict=False)]


TABLES: dict[str, type[Table]] = {
    "": TrialTable,
    "blinding": Blinding,
    "patients": PatientTable,
    "arms": ArmTable,
}
"""By their names in the file, but for the calibration's."""
