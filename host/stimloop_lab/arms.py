"""Arms of a trial: therapies, and the controls that every trial can use."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop import prescription as prescriptions
from stimloop_dsp import Setting

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop.step import Step
    from stimloop_dsp import Reading
    from stimloop_hw.program import Program

_ANY_UV = 1.0
"""Stands for a threshold that the calibration will find."""
_THRESHOLDS = ("threshold_uv", "lower_uv", "release_uv")
_STREAM = 0x5EED
"""Keeps the random duty cycle apart from the patient's noise of the same seed."""


@unique
class Control(Enum):
    """What decides on the amplitude of an arm."""

    THERAPY = "therapy"
    """The controller of the prescription."""
    SHAM = "sham"
    """Nobody: sensing and analysis go on, nothing is delivered."""
    YOKED = "yoked"
    """The same therapy on another patient, at the same tick."""
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
    duty: float
    mean_on_s: float

    @property
    def percentiles(self) -> tuple[float, ...]:
        """What has to be known of the patient's level."""
        asked = (self.threshold_percentile, self.lower_percentile)
        return tuple(percentile for percentile in asked if percentile is not None)

    @property
    def detector(self) -> str:
        """What the level depends on, as text: arms of one detector share a calibration."""
        table = self.prescription({}).detector.model_dump(exclude=set(_THRESHOLDS))
        return json.dumps(table, sort_keys=True)

    def check(self) -> None:
        """Refuse a prescription that is none, whatever the calibration finds.

        Raises
        ------
        PrescriptionError
        """
        self.prescription({})

    def prescription(
        self, levels_uv: dict[float, float], *, on_host: bool = False
    ) -> Prescription:
        """The prescription for one patient.

        Parameters
        ----------
        levels_uv : dict of float to float
            The patient's level at each of `percentiles`, µV.
        on_host : bool
            Whether the host decides in any case, where the controller is another one: no
            device controls for itself.

        Raises
        ------
        PrescriptionError
            If what comes out is refused.
        """
        tables = dict(self.tables)
        controller = dict(tables.get("controller", {}))
        if self.threshold_percentile is not None:
            tables.pop("capture", None)
            detector = dict(tables.get("detector", {}))
            detector.pop("release_uv", None)
            detector["threshold_uv"] = _found_uv(levels_uv, self.threshold_percentile)
            tables["detector"] = detector
        if self.lower_percentile is not None:
            detector = dict(tables.get("detector", {}))
            detector["lower_uv"] = _found_uv(levels_uv, self.lower_percentile)
            tables["detector"] = detector
        if on_host:
            controller["where"] = "host"
        return prescriptions.of_tables({**tables, "controller": controller})


def _found_uv(levels_uv: dict[float, float], percentile: float) -> float:
    """A threshold in whole nanovolts, as a device keeps it."""
    return round(levels_uv.get(percentile, _ANY_UV), 3)


class Follower:
    """A controller that wants what it was last told: nothing, to begin with."""

    tick_us = 0

    def control(
        self,
        prescription: Prescription,  # noqa: ARG002
        program: Program,
        tick_us: int,
        threshold_uv: float,  # noqa: ARG002
        lower_uv: float,  # noqa: ARG002
    ) -> Follower:
        """Take the place of the prescription's controller, as a `ControllerMaker`."""
        self.tick_us = tick_us
        self._first = self._wanted = Setting(0, program.period_min_us)
        return self

    def follow(self, step: Step) -> None:
        """Want what another loop's controller wanted: the governor here bounds it alike."""
        self._wanted = Setting(step.wanted_ua, step.wanted_period_us)

    def want(self, amplitude_ua: int) -> None:
        """Want this from the next update on, µA."""
        self._wanted = replace(self._wanted, amplitude_ua=amplitude_ua)

    def update(self, reading: Reading) -> Setting:  # noqa: ARG002  that is its point
        """Take the next reading, and heed it not."""
        return self._wanted

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._wanted = self._first


class RandomDuty:
    """A controller that is on and off for times drawn from exponential distributions.

    On is the program's upper amplitude, off its lower one.

    Parameters
    ----------
    duty : float
        Expected fraction of time on, > 0 and < 1.
    mean_on_s : float
        Mean of the periods on, s.
    seed : int
        Of the draws; everything else about them is a matter of calls.
    """

    tick_us = 0

    def __init__(self, *, duty: float, mean_on_s: float, seed: int) -> None:
        self._duty = duty
        self._mean_s = (mean_on_s * (1 - duty) / duty, mean_on_s)
        self._seed = seed
        self._on = False
        self._left = 0.0

    def control(
        self,
        prescription: Prescription,  # noqa: ARG002
        program: Program,
        tick_us: int,
        threshold_uv: float,  # noqa: ARG002
        lower_uv: float,  # noqa: ARG002
    ) -> RandomDuty:
        """Take the place of the prescription's controller, as a `ControllerMaker`."""
        self.tick_us = tick_us
        self._settings = (
            Setting(program.amplitude_min_ua, program.period_min_us),
            Setting(program.amplitude_max_ua, program.period_min_us),
        )
        self.reset()
        return self

    def update(self, reading: Reading) -> Setting:  # noqa: ARG002  that is its point
        """Take the next reading, and heed it not."""
        while self._left < 1:
            self._on = not self._on
            self._left += self._drawn()
        self._left -= 1
        return self._settings[self._on]

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._rng = np.random.Generator(np.random.PCG64DXSM([_STREAM, self._seed]))
        self._on = bool(self._rng.random() < self._duty)
        self._left = self._drawn()

    def _drawn(self) -> float:
        """Duration of the period that begins, ticks."""
        return self._rng.exponential(self._mean_s[self._on] * 1e6 / self.tick_us)
