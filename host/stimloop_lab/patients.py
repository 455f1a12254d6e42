"""Virtual patients of a trial: named ones and members of cohorts, changed where wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from stimloop.errors import Violation
from stimloop_sim.cohort import KINDS, cohort
from stimloop_sim.parameter import PatientError, changed, paths
from stimloop_sim.patients import FAMILIES, patient_model
from stimloop_sim.posture import Course

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stimloop_lab.trial_file import PatientTable


@dataclass(frozen=True, slots=True)
class Patient:
    """A virtual patient of the trial.

    Attributes
    ----------
    label : str
    model : object
        Its parameters, of the device's family.
    """

    label: str
    model: Any


def patients_of(
    tables: Sequence[PatientTable], family: str, found: list[Violation]
) -> Iterator[Patient]:
    """Bring together whom the tables name; what is wrong is added to `found`.

    Parameters
    ----------
    tables : sequence of PatientTable
    family : str
        Whom the device is implanted in, a key of `stimloop_sim.patients.FAMILIES`.
    found : list of Violation
    """
    for table in tables:
        field = f"patients.{table.label or table.name or table.cohort}"
        if table.postures and family != "scs":
            found.append(
                Violation(
                    f"{field}.postures",
                    f"postures in {FAMILIES[family].therapy}",
                    "a course of postures in spinal cord stimulation",
                    "remove it",
                )
            )
            continue
        try:
            drawn = _drawn(table, family)
            for label, model in drawn.items():
                strange = [key for key in table.parameters if key not in set(paths(model))]
                if strange:
                    known = tuple(paths(model))
                    found += [unknown(f"{field}.parameters", key, known) for key in strange]
                    break
                yield Patient(label, changed(_placed(model, table), table.parameters))
        except PatientError as problem:
            found.append(
                Violation(field, str(problem), "what a patient can be", "correct that")
            )


def unknown(field: str, name: str, known: Sequence[str]) -> Violation:
    """A name that is none of those known; the nearest is told."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"write {near[0]}, if that is meant" if near else "choose one of them"
    return Violation(field, f'"{name}"', ", ".join(known) or "nothing", remedy)


def _drawn(table: PatientTable, family: str) -> dict[str, Any]:
    """The patients of a table, by what they are called."""
    if not table.cohort:
        return {table.label or table.name: patient_model(table.name, family)}
    kind = KINDS.get(table.cohort)
    if kind is not None and kind.family != family:
        own = [name for name, other in KINDS.items() if other.family == family]
        raise PatientError(
            f"the cohort {table.cohort} is of {FAMILIES[kind.family].therapy}, and the device "
            f"is for {FAMILIES[family].therapy}; choose {' or '.join(own)}"
        )
    return cohort(table.cohort, table.count, table.seed)


def _placed(model: Any, table: PatientTable) -> Any:  # noqa: ANN401
    return replace(model, course=Course.parse(table.postures)) if table.postures else model
