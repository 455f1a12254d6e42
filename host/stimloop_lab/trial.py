"""What a trial shall do, as a TOML file that a person writes.

::

    schema = 1
    name, device, seeds, first_seed, durations_s, reference
    [calibration]   what is found out of each patient before any arm
    [blinding]      the arms get codes, and each patient its own order of them
    [[patients]]    a named virtual patient or a cohort, parameters changed where wanted
    [[arms]]        a prescription, or a control of another arm

The device says whose patients and which therapy. Nothing is guessed: all that is wrong is
refused in one `TrialError`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from stimloop import document
from stimloop.errors import PrescriptionError, Refused, Violation
from stimloop.violations import violations_of
from stimloop_lab.arms import Arm, Control
from stimloop_lab.patients import patients_of, unknown
from stimloop_lab.therapies import THERAPIES
from stimloop_lab.trial_file import CELLS_MAX, NAME, TABLES, ArmTable, Blinding, TrialTable
from stimloop_sim import profile
from stimloop_sim.patients import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stimloop_lab.patients import Patient
    from stimloop_lab.therapy import Calibration, Therapy

SCHEMA = 1


class TrialError(Refused):
    """A trial is refused, or cannot go on; cells that are finished stay."""

    subject = "trial"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial, checked: nothing in it is impossible, but for what the device has to say.

    Attributes
    ----------
    name, device : str
    family : str
        Whom the device is implanted in, a key of `stimloop_lab.therapies.THERAPIES`.
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
    family: str
    patients: tuple[Patient, ...]
    arms: tuple[Arm, ...]
    seeds: range
    durations_s: tuple[float, ...]
    reference: str
    calibration: Calibration
    blinding: Blinding | None

    @property
    def therapy(self) -> Therapy[Any, Any, Any]:
        """What there is to know of it."""
        return THERAPIES[self.family]


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
        raise TrialError(violations_of(error, TABLES)) from None
    if asked.device not in profile.names():
        raise TrialError((unknown("device", asked.device, profile.names()),))
    family = profile.Profile.named(asked.device).patients
    calibration = _calibration(asked, THERAPIES[family])
    found = [*_grid_violations(asked, calibration), *_name_violations(asked)]
    patients = tuple(patients_of(asked.patients, family, found))
    arms = tuple(_arms(asked, family, folder, found))
    if found:
        raise TrialError(tuple(found))
    return Trial(
        asked.name,
        asked.device,
        family,
        patients,
        arms,
        range(asked.first_seed, asked.first_seed + asked.seeds),
        asked.durations_s,
        asked.reference or asked.arms[0].name,
        calibration,
        asked.blinding,
    )


def _calibration(asked: TrialTable, therapy: Therapy[Any, Any, Any]) -> Calibration:
    """The calibration's table, as the therapy has it."""
    try:
        return therapy.calibration.model_validate(asked.calibration)
    except ValidationError as error:
        raise TrialError(
            tuple(
                replace(violation, field=f"calibration.{violation.field}")
                for violation in violations_of(error, {"": therapy.calibration})
            )
        ) from None


def _grid_violations(asked: TrialTable, calibration: Calibration) -> Iterator[Violation]:
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
    seed = getattr(calibration, "seed", -1)
    if 0 <= seed - asked.first_seed < asked.seeds:
        yield Violation(
            "calibration.seed",
            f"{seed}, a seed of the trial",
            "another one, so that no threshold knows the noise that it is tried on",
            "choose another seed",
        )


def _name_violations(asked: TrialTable) -> Iterator[Violation]:
    arm_names = [arm.name for arm in asked.arms]
    if asked.reference and asked.reference not in arm_names:
        yield unknown("reference", asked.reference, arm_names)
    for key, names in (
        ("patients", [p.label or p.name for p in asked.patients if not p.cohort]),
        ("arms", arm_names),
    ):
        for name in dict.fromkeys(names):
            if not NAME.fullmatch(name):
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


def _arms(
    asked: TrialTable, family: str, folder: Path, found: list[Violation]
) -> Iterator[Arm]:
    therapies = {arm.name: arm for arm in asked.arms if arm.kind == "therapy"}
    for table in asked.arms:
        therapy = table if table.kind == "therapy" else therapies.get(table.of)
        if therapy is None:
            found.append(unknown(f"arms.{table.name}.of", table.of, list(therapies)))
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
        found += _foreign(table, family)
        try:
            arm = _arm(table, therapy, folder)
            THERAPIES[family].prescription(arm)  # refused, whatever the calibration finds
            yield arm
        except Refused as problem:
            found += [
                replace(violation, field=f"arms.{table.name}: {violation.field}")
                for violation in problem.violations
            ]


def _foreign(table: ArmTable, family: str) -> Iterator[Violation]:
    """Keys of another therapy's calibration."""
    for other, therapy in THERAPIES.items():
        for key in sorted(therapy.arm_keys - THERAPIES[family].arm_keys):
            if key in table.model_fields_set:
                yield Violation(
                    f"arms.{table.name}.{key}",
                    f"{key} in {FAMILIES[family].therapy}",
                    f"in {FAMILIES[other].therapy} only",
                    "remove it",
                )


def _arm(table: ArmTable, therapy: ArmTable, folder: Path) -> Arm:
    text = document.read_text(folder / therapy.prescription, PrescriptionError)
    tables = document.tables_of(text, SCHEMA, PrescriptionError)
    return Arm(
        table.name,
        Control[table.kind.upper()],
        therapy.name,
        _merged(tables, therapy.override),
        therapy.threshold_percentile,
        therapy.lower_percentile,
        therapy.titrated,
        table.duty or 0.0,
        table.mean_on_s,
    )


def _merged(tables: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(tables)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        # Another kind of controller has other keys: it replaces the table.
        merged[key] = _merged(merged[key], value) if both and "kind" not in value else value
    return merged
