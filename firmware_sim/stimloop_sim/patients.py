"""Simulated patients by name, as a ``sim://`` URL asks for them."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from stimloop_sim.cohort import DAY, is_member, member
from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import PatientModel

PATIENTS: Mapping[str, PatientModel] = MappingProxyType(
    {
        "default": PatientModel(),
        "on_medication": PatientModel(growth_per_s=-9.74, drift_sd_per_s=3.10),
        "full_suppression": PatientModel(suppression_per_s=23.0),
        "day": PatientModel(day=DAY),
        "overdriven": PatientModel(overdrive_per_ma=0.5, overdrive_from_ma=3.5),
    }
)
"""Named patients: off medication; on medication; off medication with a stronger effect of
stimulation (3 mA leaves a quarter of the beta amplitude instead of two fifths); through a day
of levodopa, movement and sleep; with beta that returns under too much stimulation."""


def patient_model(name: str) -> PatientModel:
    """Look up a named patient.

    Parameters
    ----------
    name : str
        A key of `PATIENTS`, or a member of a cohort, as ``dbs-7-12``.

    Returns
    -------
    PatientModel
        Its parameters.

    Raises
    ------
    PatientError
        If there is no patient of that name; the message names the nearest ones.
    """
    if name in PATIENTS:
        return PATIENTS[name]
    if is_member(name):
        model = member(name)
        assert isinstance(model, PatientModel)
        return model
    nearest = difflib.get_close_matches(name, PATIENTS) or sorted(PATIENTS)
    raise PatientError(f"there is no patient {name!r}; choose {' or '.join(nearest)}")
