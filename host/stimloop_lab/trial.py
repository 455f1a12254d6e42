"""What a trial shall do, as a TOML file that a person writes.

::

    schema = 1
    name, device, seeds, first_seed, durations_s, reference
    [calibration]   the runs without stimulation that every threshold comes from
    [blinding]      the arms get codes, and each patient its own order of them
    [[patients]]    a named virtual patient or a cohort, parameters changed where wanted
    [[arms]]        a prescription, or a control of another arm

Nothing is guessed: all that is wrong is refused in one `TrialError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from stimloop import document
from stimloop.errors import PrescriptionError, Refused, Violation
from stimloop.quantities import Number, Percentile, Table
from stimloop.violations import refusals, violations_of
from stimloop_lab.arms import Arm, Control
from stimloop_sim import profile
from stimloop_sim.cohort import cohort
from stimloop_sim.parameter import PatientError, declared
from stimloop_sim.patient import PatientModel
from stimloop_sim.patients import patient_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = 1
CELLS_MAX = 100_000
"""More cells than this are a slip of the pen."""
LONGEST_S = 31 * 86_400.0
"""Of a cell, s."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


class TrialError(Refused):
    """A trial is refused, or cannot go on; cells that are finished stay."""

    subject = "trial"


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
        Parameters that differ from the patient's, or from every member's.
    """

    name: str = ""
    label: str = ""
    cohort: str = ""
    count: Annotated[int, Field(ge=0, le=CELLS_MAX)] = 0
    seed: Annotated[int, Field(ge=0, lt=10**18)] = 0
    parameters: dict[str, Number] = Field(default_factory=dict)

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
        None leaves those of the prescription; of a therapy.
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
        if not therapy and (self.override or "threshold_percentile" in self.model_fields_set):
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


class Calibration(Table):
    """Each patient without stimulation, before any arm: where thresholds come from.

    Attributes
    ----------
    seed : int
        Of the noise; no seed of the trial, so that what follows is a prediction.
    seconds : float
        Length of the run, s.
    burst_percentile : float
        Of the level: bursts are counted above it, in every arm.
    setpoint_percentile : float
        Of the level: errors are counted from it, in every arm.
    """

    seed: Annotated[int, Field(ge=0, lt=10**18)] = 1_000_000
    seconds: Annotated[Number, Field(ge=20, le=3600)] = 600.0
    burst_percentile: Percentile = 75.0
    setpoint_percentile: Percentile = 20.0


class Blinding(Table):
    """Codes instead of names, and an order of the arms for each patient, drawn from a seed."""

    seed: Annotated[int, Field(ge=0, lt=10**18)]


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
    calibration : Calibration
    blinding : Blinding or None
        None where the arms are called by their names.
    patients : tuple of PatientTable
    arms : tuple of ArmTable
    """

    name: str = ""
    device: str = "dbs"
    seeds: Annotated[int, Field(ge=1, le=CELLS_MAX)] = 1
    first_seed: Annotated[int, Field(ge=0, lt=10**18)] = 0
    durations_s: Annotated[
        tuple[Annotated[Number, Field(gt=0, le=LONGEST_S)], ...], Field(strict=False)
    ]
    reference: str = ""
    calibration: Calibration = Calibration()
    blinding: Blinding | None = None
    patients: Annotated[tuple[PatientTable, ...], Field(strict=False)]
    arms: Annotated[tuple[ArmTable, ...], Field(strict=False)]


_TABLES: dict[str, type[Table]] = {
    "": TrialTable,
    "calibration": Calibration,
    "blinding": Blinding,
    "patients": PatientTable,
    "arms": ArmTable,
}


@dataclass(frozen=True, slots=True)
class Patient:
    """A virtual patient of the trial.

    Attributes
    ----------
    label : str
    model : PatientModel
    """

    label: str
    model: PatientModel


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial, checked: nothing in it is impossible, but for what the device has to say.

    Attributes
    ----------
    name, device : str
    patients : tuple of Patient
    arms : tuple of Arm
    seeds : range
    durations_s : tuple of float
    reference : str
        Name of the arm that the others are compared with.
    calibration : Calibration
    blinding : Blinding or None
        None where the arms are called by their names.
    """

    name: str
    device: str
    patients: tuple[Patient, ...]
    arms: tuple[Arm, ...]
    seeds: range
    durations_s: tuple[float, ...]
    reference: str
    calibration: Calibration
    blinding: Blinding | None


def load(path: Path | str) -> Trial:
    """Read a trial, and the prescriptions that it names.

    Parameters
    ----------
    path : Path or str
        A TOML file.

    Raises
    ------
    TrialError
        With everything that is wrong.
    """
    return loads(document.read_text(path, TrialError), Path(path).parent)


def loads(text: str, folder: Path) -> Trial:
    """Read a trial from the text of its file; `folder` is where it looks for prescriptions."""
    tables = document.tables_of(text, SCHEMA, TrialError)
    try:
        asked = TrialTable.model_validate(tables)
    except ValidationError as error:
        raise TrialError(violations_of(error, _TABLES)) from None
    found = [*_grid_violations(asked), *_name_violations(asked)]
    patients = tuple(_patients(asked, found))
    arms = tuple(_arms(asked, folder, found))
    if found:
        raise TrialError(tuple(found))
    return Trial(
        asked.name,
        asked.device,
        patients,
        arms,
        range(asked.first_seed, asked.first_seed + asked.seeds),
        asked.durations_s,
        asked.reference or asked.arms[0].name,
        asked.calibration,
        asked.blinding,
    )


def _grid_violations(asked: TrialTable) -> Iterator[Violation]:
    for key in ("patients", "arms", "durations_s"):
        if not getattr(asked, key):
            yield Violation(key, "none", "at least one", "add one: the grid has no cell")
    patients = sum(patient.count or 1 for patient in asked.patients)
    cells = patients * len(asked.arms) * asked.seeds * len(asked.durations_s)
    if cells > CELLS_MAX:
        yield Violation(
            "seeds",
            f"a grid of {cells} cells",
            f"at most {CELLS_MAX} cells",
            "ask for fewer seeds, patients, arms or durations",
        )
    if len(set(asked.durations_s)) < len(asked.durations_s):
        yield Violation("durations_s", "one twice", "each once", "remove the repetition")
    if 0 <= asked.calibration.seed - asked.first_seed < asked.seeds:
        yield Violation(
            "calibration.seed",
            f"{asked.calibration.seed}, a seed of the trial",
            "another one, so that no threshold knows the noise that it is tried on",
            "choose another seed",
        )
    if asked.device not in profile.names():
        yield _unknown("device", asked.device, profile.names())


def _name_violations(asked: TrialTable) -> Iterator[Violation]:
    arm_names = [arm.name for arm in asked.arms]
    if asked.reference and asked.reference not in arm_names:
        yield _unknown("reference", asked.reference, arm_names)
    for key, names in (
        ("patients", [p.label or p.name for p in asked.patients if not p.cohort]),
        ("arms", arm_names),
    ):
        for name in dict.fromkeys(names):
            if not _NAME.fullmatch(name):
                yield Violation(
                    f"{key}.{name}",
                    f'"{name}"',
                    "1 to 40 letters, digits, and _ . - between them",
                    "rename it",
                )
            if names.count(name) > 1:
                yield Violation(
                    f"{key}.{name}", "the name twice", "a name of its own", "rename one"
                )


def _patients(asked: TrialTable, found: list[Violation]) -> Iterator[Patient]:
    known = [name for name, *_ in declared(PatientModel())]
    for table in asked.patients:
        field = f"patients.{table.label or table.name or table.cohort}"
        strange = [key for key in table.parameters if key not in known]
        found += [_unknown(f"{field}.parameters", key, known) for key in strange]
        if strange:
            continue
        changes: dict[str, Any] = table.parameters
        try:
            for label, model in _drawn(table).items():
                yield Patient(label, replace(model, **changes))
        except PatientError as problem:
            found.append(
                Violation(field, str(problem), "what a patient can be", "correct that")
            )


def _drawn(table: PatientTable) -> dict[str, PatientModel]:
    """The patients of a table, by what they are called."""
    if table.cohort:
        return cohort(table.cohort, table.count, table.seed)
    return {table.label or table.name: patient_model(table.name)}


def _arms(asked: TrialTable, folder: Path, found: list[Violation]) -> Iterator[Arm]:
    therapies = {arm.name: arm for arm in asked.arms if arm.kind == "therapy"}
    for table in asked.arms:
        therapy = table if table.kind == "therapy" else therapies.get(table.of)
        if therapy is None:
            found.append(_unknown(f"arms.{table.name}.of", table.of, list(therapies)))
            continue
        alone = sum(patient.count or 1 for patient in asked.patients) * asked.seeds < 2
        if table.kind == "yoked" and alone:
            found.append(
                Violation(
                    f"arms.{table.name}.kind",
                    "yoked, with one patient and one seed",
                    "another patient, whose amplitudes it can have",
                    "add a patient or a seed",
                )
            )
        try:
            yield _arm(table, therapy, folder)
        except Refused as problem:
            found += [
                replace(violation, field=f"arms.{table.name}: {violation.field}")
                for violation in problem.violations
            ]


def _arm(table: ArmTable, therapy: ArmTable, folder: Path) -> Arm:
    text = document.read_text(folder / therapy.prescription, PrescriptionError)
    tables = document.tables_of(text, SCHEMA, PrescriptionError)
    arm = Arm(
        table.name,
        Control[table.kind.upper()],
        therapy.name,
        _merged(tables, therapy.override),
        therapy.threshold_percentile,
        therapy.lower_percentile,
        table.duty or 0.0,
        table.mean_on_s,
    )
    arm.check()
    return arm


def _merged(tables: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(tables)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        # Another kind of controller has other keys: it replaces the table.
        merged[key] = _merged(merged[key], value) if both and "kind" not in value else value
    return merged


def _unknown(field: str, name: str, known: list[str] | tuple[str, ...]) -> Violation:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"write {near[0]}, if that is meant" if near else "choose one of them"
    return Violation(field, f'"{name}"', ", ".join(known) or "nothing", remedy)
