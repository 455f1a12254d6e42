"""Arms of a trial: therapies, and the controls that every trial can use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Any


@unique
class Control(Enum):
    """What decides on the amplitude of an arm."""

    THERAPY = "therapy"
    """The controller of the prescription."""
    SHAM = "sham"
    """Nobody: sensing and analysis go on, nothing is delivered."""
    YOKED = "yoked"
    """The same therapy on another patient, at the same time."""
    RANDOM_DUTY = "random_duty"
    """Chance."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm.

    Attributes
    ----------
    name : str
    control : Control
    therapy : str
        Name of the arm that is controlled for; its own, if it is a therapy.
    tables : dict
        The prescription's, with the trial's changes.
    threshold_percentile, lower_percentile : float or None
        Of the patient's level without stimulation; None keeps what the prescription says.
    titrated : bool
        Whether setpoint and amplitudes are those of the patient's own titration.
    duty : float
        Fraction of time on, if that is random.
    mean_on_s : float
        Mean duration of a period on, s, if that is random.
    """

    name: str
    control: Control
    therapy: str
    tables: dict[str, Any]
    threshold_percentile: float | None
    lower_percentile: float | None
    titrated: bool
    duty: float
    mean_on_s: float
