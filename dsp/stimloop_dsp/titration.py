"""A setpoint for a loop on the evoked response, from a sweep of amplitudes (tier: offline)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Titration:
    """What a sweep of amplitudes told about one patient.

    Attributes
    ----------
    threshold_ua : float
        Where the response begins, µA.
    slope_uv_ma : float
        How it grows from there, µV/mA.
    floor_uv : float
        What is read below it, µV.
    setpoint_uv : float
        Response at the comfortable amplitude, µV.
    """

    threshold_ua: float
    slope_uv_ma: float
    floor_uv: float
    setpoint_uv: float

    def level_uv(self, amplitude_ua: float) -> float:
        """Response at an amplitude by the growth curve, µV."""
        beyond_ma = max(0.0, amplitude_ua - self.threshold_ua) / 1000
        return self.floor_uv + self.slope_uv_ma * beyond_ma


def titrate(
    amplitude_ua: npt.ArrayLike,
    level_uv: npt.ArrayLike,
    *,
    perception_ua: float,
    comfort_ua: float,
    discomfort_ua: float,
) -> Titration:
    """Find the setpoint from a sweep of amplitudes and what the patient said of it.

    A floor and a line above a threshold are fitted to the readings by least squares. The
    setpoint is the line's value at the comfortable amplitude.

    Parameters
    ----------
    amplitude_ua, level_uv : array_like of float, shape (n,)
        Amplitudes, µA, at least five, and the mean reading at each, µV.
    perception_ua, comfort_ua, discomfort_ua : float
        Where stimulation was first felt, comfortable, and first uncomfortable, µA, ascending.

    Returns
    -------
    Titration

    Raises
    ------
    ValueError
        One sentence, if nothing grows, or what was said does not fit.
    """
    amplitudes = np.asarray(amplitude_ua, float)
    levels = np.asarray(level_uv, float)
    if amplitudes.shape != levels.shape or amplitudes.ndim != 1 or amplitudes.size < 5:
        raise ValueError(
            f"A sweep of {amplitudes.size} amplitudes and {levels.size} readings was given; "
            "give as many readings as amplitudes, and at least five."
        )
    if not 0 < perception_ua < comfort_ua < discomfort_ua:
        raise ValueError(
            f"Perception, comfort and discomfort at {perception_ua:g}, {comfort_ua:g} and "
            f"{discomfort_ua:g} µA were told; they must ascend. Ask again, in smaller steps."
        )
    threshold_ua, slope_uv_ma, floor_uv, rest_uv = _grown(amplitudes, levels)
    found = Titration(threshold_ua, slope_uv_ma, floor_uv, 0.0)
    setpoint_uv = found.level_uv(comfort_ua)
    if not (slope_uv_ma > 0 and setpoint_uv > floor_uv + 2 * rest_uv):
        raise ValueError(
            f"At {comfort_ua:g} µA no response stands out of the {floor_uv:.3g} µV that are "
            "read below its threshold; check the sensing contacts, or go on in open loop."
        )
    return Titration(threshold_ua, slope_uv_ma, floor_uv, setpoint_uv)


def _grown(
    amplitudes_ua: npt.NDArray[np.float64], levels_uv: npt.NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Threshold, slope, floor, and standard deviation of what the fit leaves."""
    best = (math.inf, 0.0, 0.0, 0.0)
    for threshold_ua in np.linspace(amplitudes_ua.min(), amplitudes_ua.max(), 201)[:-1]:
        beyond_ma = np.maximum(0.0, amplitudes_ua - threshold_ua) / 1000
        model = np.stack([beyond_ma, np.ones_like(beyond_ma)], axis=1)
        (slope, floor), *_ = np.linalg.lstsq(model, levels_uv, rcond=None)
        rest = float(np.std(levels_uv - model @ (slope, floor)))
        if rest < best[0]:
            best = (rest, float(threshold_ua), float(slope), float(floor))
    rest, threshold, slope, floor = best
    return threshold, slope, floor, rest
