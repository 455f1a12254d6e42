"""The simulated patient of spinal cord stimulation: fibres that answer every pulse.

A pulse of charge Q, in a posture with threshold T and slope S, evokes a compound action
potential whose amplitude from N1 to P2 is

    V = S w ln(1 + exp((Q - T) / w)),    w = knee T,

a straight line above the threshold with a soft knee. T and S approach those of a new posture
with a time constant of half a second; breath, heart and steps sway T; a cough lowers T and
raises S for a third of a second. What the front end sees besides is an artefact of two
exponentials, a drift, a late response of muscle at high charge, and noise.

The wave arrives at ``distance / velocity + delay`` after the pulse; its form is that of
`stimloop_dsp.ecap`. Sensations follow from Q / T. Pain relief by gating, and how it outlasts
stimulation, are illustrative: no source gives their parameters.

Sources: growth above a threshold, names and order of the waves, late responses at high charge:
Parker et al. (2012), doi:10.1016/j.pain.2011.11.023. Threshold of the response and of
perception go together: Pilitsis et al. (2021). The postures: see `stimloop_sim.posture`. All
other numbers are design choices, told by `CordModel`; docs/patients/scs.md is written from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp.ecap import artefact_uv, ecap_uv
from stimloop_sim._cord import Body, Cord
from stimloop_sim.evoked import WINDOW, Window
from stimloop_sim.parameter import Origin, PatientError, check, parameter
from stimloop_sim.posture import POSTURES, PUBLISHED, Course

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RATES_HZ = (250, 500, 1000)
"""Sampling rates of the accelerometer, Hz."""
UV_PER_G = 1000.0
"""What the accelerometer gives, µV per g."""

_CHOICE, _FITTED, _ILLUSTRATIVE = Origin.CHOICE, Origin.FITTED, Origin.ILLUSTRATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class CordModel:
    """Parameters of one simulated patient.

    Attributes
    ----------
    course : Course
        Postures, one after another.

    Raises
    ------
    PatientError
        If a parameter is outside its range, or some do not fit each other.
    """

    course: Course = PUBLISHED
    threshold_factor: float = parameter(
        1.0, "", 0.2, 5, _FITTED, "of every posture's threshold T"
    )
    slope_factor: float = parameter(1.0, "", 0.1, 10, _FITTED, "of every posture's slope S")
    knee: float = parameter(0.03, "", 0.001, 0.5, _CHOICE, "width of the soft knee, as w / T")
    width_us: float = parameter(
        200.0, "µs", 20, 1000, _CHOICE, "pulse width that the thresholds are for"
    )
    chronaxie_us: float = parameter(
        250.0, "µs", 50, 1000, _ILLUSTRATIVE, "chronaxie: wider pulses need more charge"
    )
    transition_s: float = parameter(
        0.5, "s", 0.05, 10, _CHOICE, "time constant of the way into a posture"
    )
    breath_hz: float = parameter(0.25, "Hz", 0.05, 1, _CHOICE, "rate of breath")
    breath_depth: float = parameter(0.01, "", 0, 0.3, _CHOICE, "sway of T by breath")
    heart_hz: float = parameter(1.2, "Hz", 0.5, 3.5, _CHOICE, "rate of the heart")
    heart_depth: float = parameter(0.008, "", 0, 0.3, _CHOICE, "sway of T by the heart")
    step_hz: float = parameter(1.8, "Hz", 0.5, 4, _CHOICE, "rate of steps while walking")
    step_depth: float = parameter(0.06, "", 0, 0.3, _CHOICE, "sway of T by steps")
    bounce_g: float = parameter(0.25, "g", 0, 2, _ILLUSTRATIVE, "steps at the accelerometer")
    coughs_per_min: float = parameter(2.0, "1/min", 0, 30, _CHOICE, "coughs, at random")
    cough_s: float = parameter(0.35, "s", 0.05, 2, _CHOICE, "length of a cough, half a sine")
    cough_threshold: float = parameter(
        0.40, "", 0, 0.9, _CHOICE, "share that a cough takes from T at its height"
    )
    cough_slope: float = parameter(
        0.50, "", 0, 5, _CHOICE, "share that a cough adds to S at its height"
    )
    distance_mm: float = parameter(
        45.0, "mm", 14, 60, _CHOICE, "from the pulse's contact to the sensing one"
    )
    velocity_m_s: float = parameter(57.0, "m/s", 30, 75, _CHOICE, "conduction velocity")
    delay_ms: float = parameter(0.35, "ms", 0, 1, _CHOICE, "of N1 without any distance")
    artefact_uv_uc: float = parameter(
        100.0, "µV/µC", 0, 3000, _CHOICE, "artefact of a pulse, its fast exponential"
    )
    drift_uv_ms: float = parameter(
        5.0, "µV/ms", 0, 100, _CHOICE, "standard deviation of a sweep's drift"
    )
    noise_uv: float = parameter(
        3.6, "µV", 0, 50, _CHOICE, "standard deviation of a sample's noise"
    )
    late_ratio: float = parameter(
        1.8, "", 1, 5, _CHOICE, "charge over T at which the late response begins"
    )
    late_uv_uc: float = parameter(
        60.0, "µV/µC", 0, 1000, _ILLUSTRATIVE, "growth of the late response"
    )
    late_ms: float = parameter(
        6.0, "ms", 3, 13, _CHOICE, "middle of the late response after the pulse"
    )
    perception: float = parameter(1.03, "", 0.8, 1.5, _CHOICE, "Q / T that is just felt")
    comfort: float = parameter(1.3, "", 1, 2, _CHOICE, "Q / T that is comfortable")
    discomfort: float = parameter(
        1.65, "", 1.1, 4, _CHOICE, "Q / T that is not comfortable any more"
    )
    pain_mm: float = parameter(
        75.0, "mm", 0, 100, _ILLUSTRATIVE, "pain without stimulation, of 100 mm"
    )
    relief: float = parameter(
        0.7, "", 0, 1, _ILLUSTRATIVE, "share of it that full gating takes away"
    )
    relief_min: float = parameter(
        10.0, "min", 0.1, 600, _ILLUSTRATIVE, "time constant of relief"
    )
    carry_min: float = parameter(
        45.0, "min", 0.1, 6000, _ILLUSTRATIVE, "time constant of its end: carry-over"
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.perception < self.comfort < self.discomfort:
            raise PatientError(
                f"perception {self.perception:g}, comfort {self.comfort:g} and discomfort "
                f"{self.discomfort:g} are not in this order; let them ascend"
            )

    @property
    def n1_ms(self) -> float:
        """Time of N1 after the pulse's end, ms."""
        return self.distance_mm / self.velocity_m_s + self.delay_ms

    def patient(self, *, seed: int = 0, fs_hz: int = 250) -> ScsPatient:
        """Bring the patient to life; see `ScsPatient`."""
        return ScsPatient(self, seed=seed, fs_hz=fs_hz)


CORDS: Mapping[str, CordModel] = MappingProxyType(
    {
        "default": CordModel(),
        "calm": CordModel(coughs_per_min=0.0),
        "sitting": CordModel(course=Course((("sitting", 3600.0),)), coughs_per_min=0.0),
        "noisy": CordModel(artefact_uv_uc=1000.0, drift_uv_ms=20.0, noise_uv=8.0),
    }
)
"""Named patients: the published 150 s with two coughs a minute, the same without coughs, one
who sits, and one behind a bad electrode."""


class ScsPatient:
    """A patient with a percutaneous lead: answers pulses, and feels gravity.

    As a `Source` it gives the three axes of an accelerometer, `UV_PER_G` each. Block lengths
    change nothing: all that happens is a function of time. One patient belongs to one thread.

    Parameters
    ----------
    model : CordModel, optional
    seed : int, optional
        Of noise, phases and coughs, 0 or more.
    fs_hz : int, optional
        Sampling rate of the accelerometer, one of `RATES_HZ`.
    window : Window, optional
        What is sampled after each pulse.

    Attributes
    ----------
    cord : Cord
        Ground truth of the latest pulse: ``evoked_uv, ratio, sensation``.
    model : CordModel
    window : Window
    now_us : int
        Time that has been lived through, µs.

    Raises
    ------
    ValueError
        If the rate is not one of those, or the seed is negative.
    """

    channels: tuple[str, ...] = ("ACC-FEET", "ACC-RIGHT", "ACC-BACK")
    remaining: int | None = None

    def __init__(
        self,
        model: CordModel = CORDS["default"],
        *,
        seed: int = 0,
        fs_hz: int = 250,
        window: Window = WINDOW,
    ) -> None:
        if fs_hz not in RATES_HZ:
            raise ValueError(f"a patient is not sampled at {fs_hz} Hz; choose 250, 500 or 1000")
        self.fs_hz = fs_hz
        self.model = model
        self.window = window
        self.now_us = 0
        self._step_us = 1_000_000 // fs_hz
        self._moving = _body(model, seed)
        t_ms = window.t_ms
        late = (t_ms - model.late_ms) / 1.5
        self.cord = Cord(
            _body(model, seed),
            np.random.Generator(np.random.PCG64DXSM([seed, 2])),
            wave=ecap_uv(t_ms, 1.0, model.n1_ms),
            artefact=artefact_uv(t_ms, 1.0),
            late=-late * np.exp(0.5 - 0.5 * late**2),
            drift=t_ms,
            noise_uv=model.noise_uv,
            drift_uv_ms=model.drift_uv_ms,
            knee=model.knee,
            artefact_uv_uc=model.artefact_uv_uc,
            late_uv_uc=model.late_uv_uc,
            late_ratio=model.late_ratio,
            width_us=model.width_us,
            chronaxie_us=model.chronaxie_us,
            perception=model.perception,
            comfort=model.comfort,
            discomfort=model.discomfort,
            pain_mm=model.pain_mm,
            relief=model.relief,
            relief_s=60.0 * model.relief_min,
            carry_s=60.0 * model.carry_min,
        )

    @property
    def posture(self) -> str:
        """The present posture's name."""
        return self.model.course.at(1e-6 * self.now_us)

    @property
    def coughing(self) -> bool:
        """Whether the patient coughs now."""
        return self._moving.cough > 0.0

    @property
    def pain_mm(self) -> float:
        """The present pain, mm of 100 (illustrative)."""
        return self.cord.pain_mm(1e-6 * self.now_us)

    def evoke(self, after_us: int, amplitude_ua: int, width_us: int) -> NDArray[np.float64]:
        """Let one pulse be felt, and give what the front end's window sees of it.

        Pulses come before the block of `sense` that they fall into, in their order.

        Parameters
        ----------
        after_us : int
            Time of the pulse after the samples lived through so far, µs.
        amplitude_ua : int
            µA; 0 is a sweep without a pulse: noise, which nobody feels.
        width_us : int
            Of the cathodic phase, µs.

        Returns
        -------
        ndarray of float64, (samples,)
            µV.
        """
        return self.cord.evoke(self.now_us + after_us, amplitude_ua, width_us)

    def sense(
        self,
        amplitude_ua: NDArray[np.int32],
        width_us: int,  # noqa: ARG002  # gravity is deaf to stimulation
        period_us: int,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """Live through one block: the accelerometer's samples; see `Source.sense`."""
        count = len(amplitude_ua)
        felt_uv = self._moving.feel(self.now_us, self._step_us, count, UV_PER_G)
        self.now_us += count * self._step_us
        return felt_uv


def _body(model: CordModel, seed: int) -> Body:
    """A body of this patient; all of one seed move alike."""
    postures = [(POSTURES[name], seconds) for name, seconds in model.course.stays]
    return Body(
        np.random.Generator(np.random.PCG64DXSM([seed, 1])),
        [
            (
                model.threshold_factor * posture.threshold_uc,
                model.slope_factor * posture.slope_uv_uc,
                posture.gravity_g,
                posture.walks,
                seconds,
            )
            for posture, seconds in postures
        ],
        transition_s=model.transition_s,
        rhythms=[
            (model.breath_hz, model.breath_depth),
            (model.heart_hz, model.heart_depth),
            (model.step_hz, model.step_depth),
        ],
        bounce_g=model.bounce_g,
        cough_gap_s=60.0 / model.coughs_per_min if model.coughs_per_min else 0.0,
        cough_s=model.cough_s,
        cough_threshold=model.cough_threshold,
        cough_slope=model.cough_slope,
    )
