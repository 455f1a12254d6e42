"""Deep brain stimulation in a trial: bursts of the detector's level, and the true amplitude.

Each patient is seen without stimulation first: thresholds given as percentiles, the level above
which bursts are counted and the setpoint of errors come from there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from stimloop import assembly
from stimloop.leading import close_loop
from stimloop.quantities import Number, Percentile  # noqa: TC001  # pydantic reads them
from stimloop_dsp import BurstTracker, Quality
from stimloop_hw.vocabulary import StopMode
from stimloop_lab.bedside import bedside
from stimloop_lab.controls import Follower
from stimloop_lab.measures import measure
from stimloop_lab.outcome import Gathering, Outcome, ratio
from stimloop_lab.therapy import Calibration, Rest, Seed, Therapy
from stimloop_lab.treatment import treat
from stimloop_lab.witness import Witness
from stimloop_sim.parameter import Origin
from stimloop_sim.patient import DbsPatient

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.step import Step
    from stimloop_lab.arms import Arm

LONG_MS = 600.0
"""A burst longer than this is long (Tinkhauser et al. 2017, doi 10.1093/brain/awx010)."""
_ANY_UV = 1.0
"""Stands for a threshold that the calibration will find."""
_THRESHOLDS = ("threshold_uv", "lower_uv", "release_uv")
_WARMUP = Quality.WARMUP.value
_FITTED, _CHOICE = Origin.FITTED, Origin.CHOICE


class DbsCalibration(Calibration):
    """Each patient without stimulation, before any arm: where thresholds come from.

    Attributes
    ----------
    seed : int
        Of the noise; no seed of the trial, so that what follows is a prediction.
    seconds : float
        Length of the run, s.
    burst_percentile : float
        Of the level: bursts are counted above it, in every arm.
    setpoint_percentile : float
        Of the level: errors are counted from it, in every arm.
    """

    seed: Seed = 1_000_000
    seconds: Annotated[Number, Field(ge=20, le=3600)] = 600.0
    burst_percentile: Percentile = 75.0
    setpoint_percentile: Percentile = 20.0

    def told(self) -> str:
        """What was calibrated, in sentences of the report."""
        return (
            f"Each patient was seen without stimulation for {self.seconds:g} s on seed "
            f"{self.seed}, which no cell has. Thresholds given as percentiles, the burst level "
            f"(percentile {self.burst_percentile:g}), the setpoint of errors (percentile "
            f"{self.setpoint_percentile:g}) and the true amplitude at rest come from there; "
            "all else was prescribed, and the cells are predictions."
        )


@dataclass(frozen=True, slots=True)
class DbsBaseline:
    """A patient without stimulation, as one detector sees it.

    Attributes
    ----------
    levels_uv : dict of float to float
        The level at each percentile asked for, µV.
    envelope_uv : float
        Mean of the true amplitude, µV.
    """

    levels_uv: dict[float, float]
    envelope_uv: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DbsOutcome(Outcome):
    """Columns of deep brain stimulation."""

    mean_error: float = measure(
        "Mean error above the setpoint",
        "",
        "mean over ticks",
        "max(0, (level - setpoint) / setpoint)",
        percent=True,
        drawn=True,
        origin=_FITTED,
    )
    bursts_per_s: float = measure(
        "Bursts", "1/s", "count over time", "of the level, of 100 ms or more", origin=_FITTED
    )
    mean_burst_ms: float = measure(
        "Mean burst",
        "ms",
        "mean over bursts",
        "length of these bursts",
        drawn=True,
        origin=_FITTED,
    )
    long_bursts: float = measure(
        "Bursts over 600 ms, of all",
        "",
        "share of the bursts",
        "bursts over 600 ms",
        percent=True,
        origin=_FITTED,
    )
    long_per_min: float = measure(
        "Bursts over 600 ms",
        "1/min",
        "count over time",
        "bursts over 600 ms",
        drawn=True,
        origin=_FITTED,
    )
    envelope_uv: float = measure(
        "True beta amplitude",
        "µV",
        "mean over samples",
        "the patient's own, before noise and filters",
        origin=_CHOICE,
    )
    envelope_ratio: float = measure(
        "True amplitude over that at rest",
        "",
        "ratio of two means",
        "over that at rest, in the calibration",
        percent=True,
        drawn=True,
        origin=_CHOICE,
    )


class DbsWitness(Witness[DbsPatient]):
    """Sums the true amplitude of beta."""

    def __init__(self, patient: DbsPatient) -> None:
        super().__init__(patient)
        self._sum_uv = 0.0
        self._values = 0

    def look(self, samples: int, *, stimulated: bool) -> None:  # noqa: ARG002
        """Add the block's."""
        envelope_uv = self.patient.envelope_uv
        self._sum_uv += float(envelope_uv.sum())
        self._values += envelope_uv.size

    @property
    def envelope_uv(self) -> float:
        """Mean of the true amplitude while it was listened to, µV."""
        return ratio(self._sum_uv, self._values)


class DbsGathering(Gathering):
    """Counts errors and bursts of the level.

    Parameters
    ----------
    tick_us : int
    burst_uv, setpoint_uv : float
        Levels above which a burst, and an error, are counted, µV.
    """

    def __init__(self, tick_us: int, *, burst_uv: float, setpoint_uv: float) -> None:
        super().__init__(tick_us)
        self._setpoint_uv = setpoint_uv
        self._levels_uv: list[float] = []
        self._error = 0.0
        self._settled = 0
        self._tracker = BurstTracker(1e6 / tick_us, burst_uv)
        self._bursts = self._burst_ticks = self._long = 0

    def decided(self, step: Step) -> None:
        """Keep the level, once the filters have settled."""
        if not step.quality & _WARMUP:
            self._levels_uv.append(step.level)

    def look(self) -> None:
        """Count what has been gathered, and forget it."""
        super().look()
        levels_uv = np.array(self._levels_uv)
        self._levels_uv.clear()
        if not levels_uv.size:
            return
        self._settled += levels_uv.size
        errors = (levels_uv - self._setpoint_uv) / self._setpoint_uv
        self._error += float(np.maximum(errors, 0.0).sum())
        for burst in self._tracker.push(levels_uv):
            self._bursts += 1
            self._burst_ticks += burst.duration
            self._long += burst.duration * self._tick_us > LONG_MS * 1000

    def bursting(self) -> dict[str, Any]:
        """Values of the columns that the level gives."""
        self.look()
        seconds = self._settled * self._tick_us / 1e6
        return {
            "mean_error": ratio(self._error, self._settled),
            "bursts_per_s": ratio(self._bursts, seconds),
            "mean_burst_ms": ratio(self._burst_ticks * self._tick_us / 1e3, self._bursts),
            "long_bursts": ratio(self._long, self._bursts),
            "long_per_min": ratio(self._long, seconds / 60),
        }


class Dbs(Therapy[DbsBaseline, DbsWitness, DbsGathering]):
    """Deep brain stimulation."""

    outcome = DbsOutcome
    calibration = DbsCalibration
    arm_keys = frozenset({"threshold_percentile", "lower_percentile"})

    def fitted(self, arm: Arm, baseline: DbsBaseline | None) -> dict[str, Any]:
        """Thresholds become those of the patient."""
        levels_uv = {} if baseline is None else baseline.levels_uv
        tables = dict(arm.tables)
        detector = dict(tables.get("detector", {}))
        if arm.threshold_percentile is not None:
            tables.pop("capture", None)
            detector.pop("release_uv", None)
            detector["threshold_uv"] = _found_uv(levels_uv, arm.threshold_percentile)
        if arm.lower_percentile is not None:
            detector["lower_uv"] = _found_uv(levels_uv, arm.lower_percentile)
        return tables | {"detector": detector} if detector else tables

    def look(self, arm: Arm) -> str:
        """The detector, without its thresholds."""
        table = self.prescription(arm).detector.model_dump(exclude=set(_THRESHOLDS))
        return json.dumps(table, sort_keys=True)

    def rest(self, rest: Rest) -> DbsBaseline:
        """See what a patient is like without stimulation."""
        calibration = rest.calibration
        assert isinstance(calibration, DbsCalibration)
        counted = (calibration.burst_percentile, calibration.setpoint_percentile)
        asked = {
            percentile
            for arm in rest.arms
            for percentile in (arm.threshold_percentile, arm.lower_percentile)
            if percentile is not None
        }
        percentiles = sorted(asked.union(counted))
        with bedside(rest.patient.model, rest.device, rest.seed, DbsWitness) as (link, witness):
            limits = link.limits()
            prescription = self.prescription(rest.arms[0], on_host=True)
            log = _Levels(assembly.tick_us(prescription, limits))
            session = close_loop(link, prescription, limits, log, maker=Follower().control)
            treat(session, witness, calibration.seconds)
            link.stop(StopMode.GROUND)
        levels_uv = np.percentile(log.levels_uv, percentiles).tolist()
        return DbsBaseline(dict(zip(percentiles, levels_uv, strict=True)), witness.envelope_uv)

    def kept(self, values: dict[str, Any]) -> DbsBaseline:
        """JSON knows no numbers as keys."""
        levels_uv = {float(key): value for key, value in values["levels_uv"].items()}
        return DbsBaseline(levels_uv, values["envelope_uv"])

    def witness(
        self,
        patient: DbsPatient,
        baseline: DbsBaseline,  # noqa: ARG002
        calibration: Calibration,  # noqa: ARG002
    ) -> DbsWitness:
        """Who counts the truth of a patient."""
        return DbsWitness(patient)

    def gathering(
        self, tick_us: int, baseline: DbsBaseline, calibration: Calibration
    ) -> DbsGathering:
        """Who counts what the loop does."""
        assert isinstance(calibration, DbsCalibration)
        return DbsGathering(
            tick_us,
            burst_uv=baseline.levels_uv[calibration.burst_percentile],
            setpoint_uv=baseline.levels_uv[calibration.setpoint_percentile],
        )

    def outcome_of(
        self,
        gathering: DbsGathering,
        witness: DbsWitness,
        baseline: DbsBaseline,
        group: Group,
    ) -> DbsOutcome:
        """The columns of a cell."""
        return DbsOutcome(
            **gathering.delivery(group, witness.time_on),
            **gathering.bursting(),
            envelope_uv=witness.envelope_uv,
            envelope_ratio=ratio(witness.envelope_uv, baseline.envelope_uv),
        )


class _Levels(Gathering):
    """Keeps the settled levels of a calibration, an hour's at most."""

    def __init__(self, tick_us: int) -> None:
        super().__init__(tick_us)
        self.levels_uv: list[float] = []

    def step(self, step: Step) -> None:
        if not step.quality & _WARMUP:
            self.levels_uv.append(step.level)


def _found_uv(levels_uv: dict[float, float], percentile: float) -> float:
    """A threshold in whole nanovolts, as a device keeps it."""
    return round(levels_uv.get(percentile, _ANY_UV), 3)
