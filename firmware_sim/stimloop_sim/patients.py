"""Simulated patients of deep brain stimulation by name, as a ``sim://`` URL asks for them."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from stimloop_sim.cohort import DAY, is_member, member
from stimloop_sim.hemispheres import HemispheresModel
from stimloop_sim.mean_field import MeanFieldModel
from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import PatientModel
from stimloop_sim.population import PopulationModel

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


def patient_model(name: str) -> Any:  # noqa: ANN401  # whatever has `patient`
    """Look up a named patient.

    Parameters
    ----------
    name : str
        A key of `PATIENTS` or `OTHERS`, or a member of a cohort, as ``dbs-7-12``.

    Returns
    -------
    model
        Its parameters; ``model.patient(seed=, fs_hz=)`` is the source.

    Raises
    ------
    PatientError
        If there is no patient of that name; the message names the nearest ones.
    """
    known = {**PATIENTS, **OTHERS}
    if name in known:
        return known[name]
    if is_member(name):
        return member(name)
    nearest = difflib.get_close_matches(name, known) or sorted(known)
    raise PatientError(f"there is no patient {name!r}; choose {' or '.join(nearest)}")
