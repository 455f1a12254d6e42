"""What the evoked responses of a session were, and at which charge: numbers from its record.

Dose accuracy is how far the responses were from the target, the noise of a single reading taken
out: ``sqrt(mean((level - target)²) - noise²)``, after the published one, which works on a
histogram. Dose ratio is the charge at the median response over the charge at its threshold.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.prescription import Prescription
    from stimloop.record import Record

FIELDS = (
    "ecap_median_uv",
    "ecap_deviation_uv",
    "dose_accuracy_uv",
    "dose_median_nc",
    "dose_least_nc",
    "dose_most_nc",
)
"""Of `Summary`, all None where no response was sensed."""


def accuracy_uv(
    level_uv: npt.NDArray[np.float64], target_uv: float, noise_uv: float = 0.0
) -> float:
    """Root of the mean squared distance from a target, noise taken out, µV; at least 0.

    Parameters
    ----------
    level_uv : ndarray of float64, shape (n,)
        Readings, µV, n >= 1.
    target_uv : float
        µV.
    noise_uv : float, optional
        Standard deviation of one reading by noise, µV.
    """
    square = float(np.mean((level_uv - target_uv) ** 2)) - noise_uv**2
    return math.sqrt(max(0.0, square))


def ratio(
    charge_nc: npt.NDArray[np.float64],
    level_uv: npt.NDArray[np.float64],
    threshold_nc: float,
) -> float:
    """Charge at the median response, over the charge at the threshold.

    Parameters
    ----------
    charge_nc, level_uv : ndarray of float64, shape (n,)
        Of each pulse, nC and µV, n >= 1; the charge at the median response is the median over
        the tenth of the pulses whose response is nearest to it.
    threshold_nc : float
        nC, > 0.
    """
    distance = np.abs(level_uv - np.median(level_uv))
    nearest = np.argsort(distance, kind="stable")[: max(1, len(distance) // 10)]
    return float(np.median(charge_nc[nearest]) / threshold_nc)


def charge_nc(record: Record, width_us: int) -> npt.NDArray[np.float64]:
    """Charge that evoked each step's sweep, nC: the amplitude ordered with the step before."""
    ordered_ua = record.column("steps", "admitted_ua")[: record.whole_steps]
    return np.concatenate([[0], ordered_ua[:-1]])[: len(ordered_ua)] * width_us / 1000


def told(record: Record, asked: Prescription, started: int) -> dict[str, float | None]:
    """Compute `FIELDS` for the therapy part of a record.

    Parameters
    ----------
    record : Record
    asked : Prescription
        Its own.
    started : int
        Steps before therapy.
    """
    whole = record.whole_steps
    if asked.evoked is None or whole <= started:
        return dict.fromkeys(FIELDS)
    level_uv = record.column("steps", "level")[started:whole]
    dose_nc = charge_nc(record, asked.stimulation.pulse_width_us)[started:]
    dose_nc = dose_nc[dose_nc > 0] if dose_nc.any() else np.zeros(1)
    target_uv: float | None = getattr(asked.controller, "setpoint_uv", None)
    deviation_uv = accurate_uv = None
    if target_uv is not None:
        deviation_uv = float(np.mean(np.abs(level_uv - target_uv)))
        accurate_uv = accuracy_uv(level_uv, target_uv)
    return {
        "ecap_median_uv": float(np.median(level_uv)),
        "ecap_deviation_uv": deviation_uv,
        "dose_accuracy_uv": accurate_uv,
        "dose_median_nc": float(np.median(dose_nc)),
        "dose_least_nc": float(dose_nc.min()),
        "dose_most_nc": float(dose_nc.max()),
    }
