"""A patient's titration before a trial: amplitudes rise step by step, and the patient tells.

It goes through the whole loop, in one posture and without coughs, as in a clinic. What comes
out is the setpoint of closed loops and the comfortable amplitude, at which an open loop stays.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from stimloop import assembly
from stimloop import prescription as prescriptions
from stimloop.errors import CaptureError
from stimloop.leading import close_loop
from stimloop.quantities import Milliamperes, Number  # noqa: TC001  # pydantic reads them
from stimloop.violations import refusal
from stimloop_dsp.titration import Titration, titrate
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of
from stimloop_hw.vocabulary import StopMode
from stimloop_lab.bedside import bedside
from stimloop_lab.controls import Follower
from stimloop_lab.outcome import Gathering
from stimloop_lab.therapy import Calibration, Rest, Seed
from stimloop_lab.witness import Witness
from stimloop_sim.cord import ScsPatient
from stimloop_sim.posture import LONGEST_S, POSTURES, Course

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop.session import Session
    from stimloop.watch import Watch

FELT = 0.02
"""Mean sensation of a step above which the patient says that it is felt."""
_AMPLITUDES = ("amplitude_ma", "amplitude_min_ma", "fallback_ma")


def _posture(name: str) -> str:
    if name not in POSTURES:
        raise refusal(", ".join(POSTURES), "choose one of them")
    return name


class ScsCalibration(Calibration):
    """Each patient's titration, before any arm: where setpoints and amplitudes come from.

    Attributes
    ----------
    seed : int
        Of the noise; no seed of the trial, so that what follows is a prediction.
    posture : str
        In which the patient is titrated.
    step_ma, step_s : float
        Rise of the amplitude from step to step, mA, and length of a step, s.
    most_ma : float
        Largest amplitude that is tried, mA.
    setpoint_uv : float or None
        From which deviations are counted, µV; None where it is each patient's own.
    """

    seed: Seed = 1_000_000
    posture: Annotated[str, AfterValidator(_posture)] = "sitting"
    step_ma: Annotated[Milliamperes, Field(gt=0, le=2)] = 0.2
    step_s: Annotated[Number, Field(ge=0.5, le=60)] = 1.0
    most_ma: Annotated[Milliamperes, Field(gt=0)] = 12.0
    setpoint_uv: Annotated[Number, Field(gt=0)] | None = None

    def told(self) -> str:
        """What was calibrated, in sentences of the report."""
        counted = (
            "the patient's own setpoint"
            if self.setpoint_uv is None
            else f"{self.setpoint_uv:g} µV in every patient"
        )
        return (
            f"Each patient was titrated {self.posture}, without coughs, on seed {self.seed}, "
            f"which no cell has: {self.step_ma:g} mA more every {self.step_s:g} s until it was "
            "uncomfortable. The setpoint is the response at the first comfortable amplitude, "
            "by the growth curve. Arms that are titrated have it, and their amplitudes are "
            "scaled so that their open loop is that amplitude; all else was prescribed, and "
            f"the cells are predictions. Deviations are counted from {counted}."
        )


@dataclass(frozen=True, slots=True)
class Titrated:
    """What a titration told about one patient.

    Attributes
    ----------
    perception_ma, comfort_ma, discomfort_ma : float
        First steps that were felt, comfortable, and uncomfortable, mA.
    threshold_ua, slope_uv_ma, floor_uv, setpoint_uv : float
        As those of `stimloop_dsp.titration.Titration`.
    step_ma : float
        Of the device's amplitudes, mA.
    """

    perception_ma: float
    comfort_ma: float
    discomfort_ma: float
    threshold_ua: float
    slope_uv_ma: float
    floor_uv: float
    setpoint_uv: float
    step_ma: float

    def fitted(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """A prescription's tables with this patient's setpoint and amplitudes.

        Amplitudes are scaled so that the open loop is at the comfortable one, and rounded down
        to the device's steps.
        """
        stimulation, controller = dict(tables["stimulation"]), dict(tables["controller"])
        open_ma = float(controller.get("open_loop_ma") or stimulation["amplitude_ma"])
        for table, keys in ((stimulation, _AMPLITUDES), (controller, ("open_loop_ma",))):
            for key in keys:
                if key in table:
                    asked_ma = float(table[key]) * self.comfort_ma / open_ma
                    steps = math.floor(round(asked_ma / self.step_ma, 6))
                    table[key] = round(steps * self.step_ma, 6)
        if "setpoint_uv" in controller:
            controller["setpoint_uv"] = round(self.setpoint_uv, 3)
        return {**tables, "stimulation": stimulation, "controller": controller}


def titrated(rest: Rest, calibration: ScsCalibration) -> Titrated:
    """Titrate one patient.

    Raises
    ------
    CaptureError
        If no setpoint comes out.
    StimloopError
        If the device does not allow the sweep.
    """
    tables = rest.arms[0].tables
    asked = prescriptions.of_tables(
        {
            **tables,
            "stimulation": {**tables["stimulation"], "amplitude_ma": calibration.most_ma},
            "controller": {"kind": "continuous"},
        }
    )
    label = rest.patient.label
    if asked.evoked is None:
        raise CaptureError(
            f"{label} cannot be titrated: {rest.arms[0].name} senses no evoked response; add "
            "[evoked] to its prescription"
        )
    course = Course(((calibration.posture, LONGEST_S),))
    model = replace(rest.patient.model, course=course, coughs_per_min=0.0)
    follower = Follower()
    with bedside(model, rest.device, rest.seed, Answerer) as (link, witness):
        limits = link.limits()
        log = Gathering(assembly.tick_us(asked, limits))
        session = close_loop(link, asked, limits, log, maker=follower.control)
        rows = _sweep(session, witness, follower, calibration)
        link.stop(StopMode.RAMP)
        step_ma = runs_of(limits, Parameter.AMPLITUDE_MAX_UA)[0].step / 1000
    amplitudes_ua, levels_uv, sensations = np.array(rows).T
    if sensations[-1] < DISCOMFORTABLE:
        raise CaptureError(
            f"{label} is not uncomfortable at {calibration.most_ma:g} mA; raise most_ma of the "
            "calibration"
        )
    said_ua = [
        float(amplitudes_ua[np.argmax(sensations >= least)])
        for least in (FELT, COMFORTABLE, DISCOMFORTABLE)
    ]
    perception_ua, comfort_ua, discomfort_ua = said_ua
    try:
        found: Titration = titrate(
            amplitudes_ua,
            levels_uv,
            perception_ua=perception_ua,
            comfort_ua=comfort_ua,
            discomfort_ua=discomfort_ua,
        )
    except ValueError as problem:
        raise CaptureError(f"{label} cannot be titrated: {problem}") from problem
    return Titrated(
        perception_ua / 1000,
        comfort_ua / 1000,
        discomfort_ua / 1000,
        **asdict(found),
        step_ma=step_ma,
    )


COMFORTABLE, DISCOMFORTABLE = 1.0, 2.0
"""Sensations from which on a step is called so."""


class Answerer(Witness[ScsPatient]):
    """A patient with a spinal cord stimulator who says how the latest pulse felt."""

    def __init__(self, patient: ScsPatient) -> None:
        super().__init__(patient)
        self.window = patient.window
        self.evoke = patient.evoke

    @property
    def sensation(self) -> float:
        """0 not felt, 1 comfortable, 2 uncomfortable, and between and beyond."""
        return float(self.patient.cord.sensation)


def _sweep(
    session: Session | Watch,
    witness: Answerer,
    follower: Follower,
    calibration: ScsCalibration,
) -> list[tuple[float, float, float]]:
    """Amplitude, mean reading and mean sensation of each step, from its second half."""
    step_ua = round(calibration.step_ma * 1000)
    rows = []
    for amplitude_ua in range(step_ua, round(calibration.most_ma * 1000) + 1, step_ua):
        follower.want(amplitude_ua)
        begun_us, levels_uv, felt = None, [], []
        while True:
            step = session.step()
            assert step is not None, "a virtual patient lives on"
            begun_us = step.t_us if begun_us is None else begun_us
            elapsed_s = (step.t_us - begun_us) / 1e6
            if elapsed_s >= calibration.step_s / 2:
                levels_uv.append(step.level)
                felt.append(witness.sensation)
            if elapsed_s >= calibration.step_s:
                break
        rows.append((float(amplitude_ua), float(np.mean(levels_uv)), float(np.mean(felt))))
        if rows[-1][2] >= DISCOMFORTABLE:
            break
    return rows
