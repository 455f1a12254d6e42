"""Spinal cord stimulation in a trial: the response that each pulse evokes, and what is felt.

The truth is that of every pulse that the patient lives through, sensed or not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop_lab.measures import measure
from stimloop_lab.outcome import Gathering, Outcome, ratio
from stimloop_lab.therapy import Rest, Therapy
from stimloop_lab.titration import ScsCalibration, Titrated, titrated
from stimloop_lab.witness import Witness
from stimloop_sim.cord import ScsPatient
from stimloop_sim.parameter import Origin

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.group import Group
    from stimloop_lab.arms import Arm
    from stimloop_lab.therapy import Calibration

SETTLED_S = 5.0
"""A change of posture is over after so long: ten time constants of the way into it."""
DISCOMFORT = 2.0
"""Sensation above which a pulse is uncomfortable; above 0 it is felt."""
_FITTED, _ILLUSTRATIVE = Origin.FITTED, Origin.ILLUSTRATIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsOutcome(Outcome):
    """Columns of spinal cord stimulation."""

    evoked_uv: float = measure(
        "True evoked response",
        "µV",
        "mean over pulses",
        "N1 to P2, without noise",
        origin=_FITTED,
    )
    evoked_sd_uv: float = measure(
        "its standard deviation",
        "µV",
        "standard deviation over pulses",
        "of the true response",
        origin=_FITTED,
    )
    deviation_uv: float = measure(
        "Deviation from the setpoint",
        "µV",
        "root mean square over pulses",
        "of the true response from the patient's setpoint",
        drawn=True,
        origin=_FITTED,
    )
    dose_ratio: float = measure(
        "Dose ratio",
        "",
        "mean over pulses",
        "charge over the threshold at the pulse's time",
        origin=_FITTED,
    )
    in_window: float = measure(
        "Time between perception and discomfort",
        "",
        "share of the time",
        "pulses are felt and comfortable",
        percent=True,
        origin=_ILLUSTRATIVE,
    )
    above_discomfort: float = measure(
        "Time above discomfort",
        "",
        "share of the time",
        "pulses are uncomfortable",
        percent=True,
        drawn=True,
        origin=_ILLUSTRATIVE,
    )
    below_perception: float = measure(
        "Time below perception",
        "",
        "share of the time",
        "no pulse, or none that is felt",
        percent=True,
        drawn=True,
        origin=_ILLUSTRATIVE,
    )
    coughs: int = measure("Coughs", "", "count", "coughs that were over", origin=_ILLUSTRATIVE)
    coughs_survived: float = measure(
        "Coughs survived",
        "",
        "share of the coughs",
        "no pulse uncomfortable, and the last one felt",
        percent=True,
        origin=_ILLUSTRATIVE,
    )
    cough_pulses: float = measure(
        "Uncomfortable pulses in a cough",
        "",
        "mean over coughs",
        "pulses above discomfort in it",
        drawn=True,
        origin=_ILLUSTRATIVE,
    )
    posture_changes: int = measure(
        "Posture changes", "", "count", "changes that were over", origin=_ILLUSTRATIVE
    )
    posture_survived: float = measure(
        "Posture changes survived",
        "",
        "share of the changes",
        f"within {SETTLED_S:g} s no pulse uncomfortable, and the last one felt",
        percent=True,
        origin=_ILLUSTRATIVE,
    )
    pain_mm: float = measure(
        "Pain", "mm", "mean over samples", "of 100 mm, by gating", origin=_ILLUSTRATIVE
    )


class Ordeal:
    """Something that moves the cord: how often it came, and how often therapy was kept.

    Attributes
    ----------
    over, survived : int
    hurting : int
        Uncomfortable pulses in all of them.
    """

    def __init__(self) -> None:
        self.over = self.survived = self.hurting = 0
        self._open = False
        self._hurting = 0
        self._last = 0.0

    @property
    def share(self) -> float:
        """Share of them that were survived; NaN where there was none."""
        return ratio(self.survived, self.over)

    def begin(self) -> None:
        """It begins, unless it has already."""
        if not self._open:
            self._open = True
            self._hurting = 0
            self._last = 0.0

    def pulse(self, sensation: float) -> None:
        """A pulse was felt so strongly."""
        self._hurting += sensation > DISCOMFORT
        self._last = sensation

    def end(self) -> None:
        """It is over, if it ever began."""
        if self._open:
            self._open = False
            self.over += 1
            self.hurting += self._hurting
            self.survived += not self._hurting and self._last > 0


class ScsWitness(Witness[ScsPatient]):
    """Counts what every pulse does, and keeps an eye on coughs and postures.

    Parameters
    ----------
    patient : stimloop_sim.cord.ScsPatient
    setpoint_uv : float
        From which deviations are counted, µV.

    Attributes
    ----------
    coughs, changes : Ordeal
    """

    def __init__(self, patient: ScsPatient, setpoint_uv: float) -> None:
        super().__init__(patient)
        self.window = patient.window
        self.coughs, self.changes = Ordeal(), Ordeal()
        self._setpoint_uv = setpoint_uv
        self._pulses = self._felt = self._hurting = 0
        self._sum_uv = self._squares_uv2 = self._ratios = 0.0
        self._pain_mm = 0.0
        self._posture = ""
        self._changed_s = 0.0

    def evoke(self, after_us: int, amplitude_ua: int, width_us: int) -> npt.NDArray[np.float64]:
        """Let one pulse be felt; see `stimloop_sim.evoked.Answering`."""
        sweep_uv: npt.NDArray[np.float64] = self.patient.evoke(after_us, amplitude_ua, width_us)
        if self.listening and amplitude_ua:
            cord = self.patient.cord
            # Sums about the setpoint: they lose no digits where the response stays near it.
            deviation_uv = cord.evoked_uv - self._setpoint_uv
            self._pulses += 1
            self._sum_uv += deviation_uv
            self._squares_uv2 += deviation_uv * deviation_uv
            self._ratios += cord.ratio
            self._felt += cord.sensation > 0
            self._hurting += cord.sensation > DISCOMFORT
            if cord.body.cough > 0:
                self.coughs.begin()
                self.coughs.pulse(cord.sensation)
            self.changes.pulse(cord.sensation)
        return sweep_uv

    def look(self, samples: int, *, stimulated: bool) -> None:  # noqa: ARG002
        """Whether a cough or a change of posture begins or is over."""
        if self.patient.coughing:
            self.coughs.begin()
        else:
            self.coughs.end()
        posture = self.patient.posture
        if posture != self._posture:
            if self._posture:
                self.changes.end()
                self.changes.begin()
            self._posture, self._changed_s = posture, self.lived_s
        elif self.lived_s - self._changed_s >= SETTLED_S:
            self.changes.end()
        self._pain_mm += samples * self.patient.pain_mm

    def columns(self, period_us: int) -> dict[str, Any]:
        """Values of the columns that the truth gives, for pulses of this period."""
        mean_uv = ratio(self._sum_uv, self._pulses)
        square_uv2 = ratio(self._squares_uv2, self._pulses)
        felt = ratio(self._felt * period_us / 1e6, self.seconds)
        hurting = ratio(self._hurting * period_us / 1e6, self.seconds)
        return {
            "evoked_uv": self._setpoint_uv + mean_uv,
            "evoked_sd_uv": float(np.sqrt(np.maximum(0.0, square_uv2 - mean_uv**2))),
            "deviation_uv": float(np.sqrt(square_uv2)),
            "dose_ratio": ratio(self._ratios, self._pulses),
            "in_window": felt - hurting,
            "above_discomfort": hurting,
            "below_perception": max(0.0, 1.0 - felt),
            "coughs": self.coughs.over,
            "coughs_survived": self.coughs.share,
            "cough_pulses": ratio(self.coughs.hurting, self.coughs.over),
            "posture_changes": self.changes.over,
            "posture_survived": self.changes.share,
            "pain_mm": ratio(self._pain_mm, self.seconds * self.fs_hz),
        }


class Scs(Therapy[Titrated, ScsWitness, Gathering]):
    """Spinal cord stimulation."""

    outcome = ScsOutcome
    calibration = ScsCalibration
    arm_keys = frozenset({"titrated"})

    def fitted(self, arm: Arm, baseline: Titrated | None) -> dict[str, Any]:
        """Setpoint and amplitudes become those of the patient."""
        if baseline is None or not arm.titrated:
            return dict(arm.tables)
        return baseline.fitted(arm.tables)

    def look(self, arm: Arm) -> str:
        """What a response depends on: how it is sensed, and the pulse that evokes it."""
        asked = self.prescription(arm)
        sensed = None if asked.evoked is None else asked.evoked.model_dump()
        pulse = asked.stimulation.model_dump(
            include={"pulse_width_us", "rate_hz", "cathodes", "anodes", "recharge"}
        )
        return json.dumps([sensed, pulse], sort_keys=True, default=str)

    def rest(self, rest: Rest) -> Titrated:
        """Titrate a patient."""
        calibration = rest.calibration
        assert isinstance(calibration, ScsCalibration)
        return titrated(rest, calibration)

    def kept(self, values: dict[str, Any]) -> Titrated:
        """A baseline from JSON."""
        return Titrated(**values)

    def witness(
        self,
        patient: ScsPatient,
        baseline: Titrated,
        calibration: Calibration,
    ) -> ScsWitness:
        """Who counts the truth of a patient."""
        assert isinstance(calibration, ScsCalibration)
        return ScsWitness(patient, calibration.setpoint_uv or baseline.setpoint_uv)

    def gathering(
        self,
        tick_us: int,
        baseline: Titrated,  # noqa: ARG002
        calibration: Calibration,  # noqa: ARG002
    ) -> Gathering:
        """Who counts what the loop does."""
        return Gathering(tick_us)

    def outcome_of(
        self,
        gathering: Gathering,
        witness: ScsWitness,
        baseline: Titrated,  # noqa: ARG002
        group: Group,
    ) -> ScsOutcome:
        """The columns of a cell."""
        return ScsOutcome(
            **gathering.delivery(group, witness.time_on),
            **witness.columns(group.first.period_min_us),
        )
