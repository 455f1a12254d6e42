"""Simulated patients by name, as a ``sim://`` URL or a trial asks for them.

A device is implanted in one family of them: ``dbs``, ``scs`` or ``vns``. Who belongs to another
family is told so.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from stimloop_sim.cohort import DAY, family_of, member
from stimloop_sim.cord import CORDS
from stimloop_sim.hemispheres import HemispheresModel
from stimloop_sim.mean_field import MeanFieldModel
from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import PatientModel
from stimloop_sim.population import PopulationModel
from stimloop_sim.vns import NERVES

PATIENTS: Mapping[str, PatientModel] = MappingProxyType(
    {
        "default": PatientModel(),
        "on_medication": PatientModel(growth_per_s=-9.74, drift_sd_per_s=3.10),
        "full_suppression": PatientModel(suppression_per_s=23.0),
        "day": PatientModel(day=DAY),
        "overdriven": PatientModel(overdrive_per_ma=0.5, overdrive_from_ma=3.5),
    }
)
"""Named hemispheres: off medication; on medication; off medication with a stronger effect of
stimulation (3 mA leaves a quarter of the beta amplitude instead of two fifths); through a day
of levodopa, movement and sleep; with beta that returns under too much stimulation."""

OTHERS: Mapping[str, HemispheresModel | PopulationModel | MeanFieldModel] = MappingProxyType(
    {
        "bilateral": HemispheresModel(),
        "bilateral_day": HemispheresModel(
            left=PatientModel(day=DAY),
            right=replace(HemispheresModel().right, day=DAY),
        ),
        "population": PopulationModel(),
        "mean_field": MeanFieldModel(),
    }
)
"""Two hemispheres, for an hour and for a day; oscillators that answer every pulse; nuclei."""


@dataclass(frozen=True, slots=True)
class Family:
    """Patients of one therapy.

    Attributes
    ----------
    therapy : str
        In words.
    default : str
        Name of the one that is meant where none is named.
    named : mapping of str to model
    """

    therapy: str
    default: str
    named: Mapping[str, Any]


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "dbs": Family("deep brain stimulation", "default", {**PATIENTS, **OTHERS}),
        "scs": Family("spinal cord stimulation", "default", CORDS),
        "vns": Family("vagus nerve stimulation", "temporal", NERVES),
    }
)
"""By what a profile calls its patients."""


def patient_model(name: str, family: str = "dbs") -> Any:  # noqa: ANN401  # whatever has `patient`
    """Look up a named patient.

    Parameters
    ----------
    name : str
        One of the family's, or a member of a cohort, as ``dbs-7-12``.
    family : str
        A key of `FAMILIES`.

    Returns
    -------
    model
        Its parameters; ``model.patient(seed=, fs_hz=)`` is the source.

    Raises
    ------
    PatientError
        If the family has no patient of that name; the message says whose it is, or names the
        nearest ones.
    """
    asked = FAMILIES[family]
    if name in asked.named:
        return asked.named[name]
    theirs = family_of(name)
    if theirs == family:
        return member(name)
    known = sorted(asked.named)
    others = [key for key in FAMILIES if key == theirs or name in FAMILIES[key].named]
    if others:
        raise PatientError(
            f"{name!r} is a patient of {FAMILIES[others[0]].therapy}, and the device is for "
            f"{asked.therapy}; choose {' or '.join(known)}"
        )
    nearest = difflib.get_close_matches(name, known) or known
    raise PatientError(
        f"there is no patient {name!r} of {asked.therapy}; choose {' or '.join(nearest)}"
    )
