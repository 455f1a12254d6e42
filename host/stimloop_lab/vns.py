"""Vagus nerve stimulation in a trial: seizures, what was detected of them, and trains.

Nothing is calibrated: the patient knows how each seizure would have gone untreated. Effects of
trains on seizures, voice and brainstem rest on parameters without a source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from stimloop_dsp import Quality
from stimloop_lab.measures import measure
from stimloop_lab.outcome import Gathering, Outcome, ratio
from stimloop_lab.therapy import Calibration, Therapy
from stimloop_lab.witness import Witness
from stimloop_sim.parameter import Origin
from stimloop_sim.vns import VnsPatient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.group import Group
    from stimloop.step import Step

BEFORE_S, AFTER_S = 30.0, 60.0
"""An alarm from so long before a seizure's onset until its end detects it; one until so long
after it is neither right nor false, since the heart is still on its way back."""
_WARMUP = Quality.WARMUP.value
_PUBLISHED, _FITTED, _ILLUSTRATIVE = Origin.PUBLISHED, Origin.FITTED, Origin.ILLUSTRATIVE


class VnsCalibration(Calibration):
    """Nothing is calibrated, so that there is nothing to ask for."""

    def told(self) -> str:
        """What was calibrated, in sentences of the report."""
        return (
            "Nothing was calibrated: all was prescribed, and the cells are predictions. A "
            f"seizure is detected by an alarm from {BEFORE_S:g} s before its onset until its "
            f"end; an alarm until {AFTER_S:g} s after it is neither right nor false. How a "
            "seizure would have gone untreated the patient knows."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VnsOutcome(Outcome):
    """Columns of vagus nerve stimulation."""

    seizures: int = measure(
        "Seizures", "", "count", "those that began and ended in therapy", origin=_PUBLISHED
    )
    detected: float = measure(
        "Seizures detected",
        "",
        "share of the seizures",
        f"with an alarm from {BEFORE_S:g} s before the onset to the end",
        percent=True,
        drawn=True,
        origin=_PUBLISHED,
    )
    false_per_h: float = measure(
        "False alarms",
        "1/h",
        "count over time",
        f"alarms outside, and not within {AFTER_S:g} s after a seizure",
        drawn=True,
        origin=_FITTED,
    )
    met: float = measure(
        "Seizures met by a train",
        "",
        "share of the seizures",
        "with pulses in effect within it",
        percent=True,
        drawn=True,
        origin=_PUBLISHED,
    )
    latency_s: float = measure(
        "Onset to train",
        "s",
        "mean over the seizures met",
        "from the onset to the first pulses, 0 where a train was under way",
        origin=_PUBLISHED,
    )
    stopped: float = measure(
        "Seizures ended by a train",
        "",
        "share of the seizures",
        "those that a train terminated",
        percent=True,
        origin=_ILLUSTRATIVE,
    )
    seizure_s_per_h: float = measure(
        "Time in seizures",
        "s/h",
        "sum over time",
        "of the seizures counted",
        origin=_ILLUSTRATIVE,
    )
    seizure_ratio: float = measure(
        "Time in seizures over untreated",
        "",
        "ratio of two sums",
        "over what the same seizures would have lasted untreated",
        percent=True,
        drawn=True,
        origin=_ILLUSTRATIVE,
    )
    trains_per_h: float = measure("Trains", "1/h", "count over time", "that the patient felt")
    voice: float = measure(
        "Trains that alter the voice",
        "",
        "share of the trains",
        "those that alter it, or make the patient cough",
        percent=True,
        origin=_ILLUSTRATIVE,
    )
    noradrenaline: float = measure(
        "Noradrenaline",
        "",
        "mean over samples",
        "response of the locus coeruleus, 0 to 1",
        origin=_ILLUSTRATIVE,
    )


class Lived(NamedTuple):
    """A seizure as it went; times since the patient's first sample, s.

    Attributes
    ----------
    onset_s, end_s, untreated_s : float
        The last is when it would have ended.
    stopped : bool
        Whether a train ended it.
    met_s : float
        When pulses first were in effect in it, 0 if at its onset; NaN if never.
    """

    onset_s: float
    end_s: float
    untreated_s: float
    stopped: bool
    met_s: float


class VnsWitness(Witness[VnsPatient]):
    """Follows seizures and trains.

    Parameters
    ----------
    patient : stimloop_sim.vns.VnsPatient

    Attributes
    ----------
    seizures : list of Lived
        Those that began and ended while it was listening.
    open_s : float
        When the one under way began; infinitely late if there is none.
    """

    def __init__(self, patient: VnsPatient) -> None:
        super().__init__(patient)
        self.seizures: list[Lived] = []
        self.open_s = math.inf
        self._met_s = math.nan
        self._seizing: bool | None = None
        self._stimulated = False
        self._first_train = 0
        self._trains = self._voiced = 0
        self._heard = True
        self._noradrenaline = 0.0

    def look(self, samples: int, *, stimulated: bool) -> None:
        """Whether a seizure or a train begins or is over."""
        truth = self.patient.truth
        if self._seizing is None:
            self._first_train = self._trains = truth.trains
        elif truth.seizing and not self._seizing:
            self.open_s = self.lived_s
            self._met_s = 0.0 if self._stimulated else math.nan
        elif self._seizing and not truth.seizing and self.open_s < math.inf:
            self._close()
        self._seizing = truth.seizing
        if stimulated and self.open_s < math.inf and math.isnan(self._met_s):
            self._met_s = self.lived_s
        self._stimulated = stimulated
        if truth.trains > self._trains:
            self._trains, self._heard = truth.trains, False
        if truth.voice and not self._heard:
            self._heard = True
            self._voiced += 1
        self._noradrenaline += samples * truth.noradrenaline

    def _close(self) -> None:
        past = self.patient.seizures[-1]
        self.seizures.append(
            Lived(past.onset_s, past.end_s, past.untreated_s, past.stopped, self._met_s)
        )
        self.open_s = math.inf

    def columns(self, alarms_s: Sequence[float]) -> dict[str, Any]:
        """Values of the columns that the truth gives, beside alarms at these times, s."""
        hours = self.seconds / 3600
        lived = self.seizures
        count = len(lived)
        met_s = [s.met_s - s.onset_s for s in lived if not math.isnan(s.met_s)]
        ictal_s = sum(s.end_s - s.onset_s for s in lived)
        trains = self._trains - self._first_train
        detected, false = score(lived, alarms_s, self.open_s)
        return {
            "seizures": count,
            "detected": ratio(detected, count),
            "false_per_h": ratio(false, hours),
            "met": ratio(len(met_s), count),
            "latency_s": ratio(sum(max(0.0, s) for s in met_s), len(met_s)),
            "stopped": ratio(sum(s.stopped for s in lived), count),
            "seizure_s_per_h": ratio(ictal_s, hours),
            "seizure_ratio": ratio(ictal_s, sum(s.untreated_s - s.onset_s for s in lived)),
            "trains_per_h": ratio(trains, hours),
            "voice": ratio(self._voiced, trains),
            "noradrenaline": ratio(self._noradrenaline, self.seconds * self.fs_hz),
        }


def score(
    seizures: Sequence[Lived], alarms_s: Sequence[float], open_s: float = math.inf
) -> tuple[int, int]:
    """Compare alarms with seizures.

    Parameters
    ----------
    seizures : sequence of Lived
    alarms_s : sequence of float
        When each began, s.
    open_s : float
        Onset of a seizure that is not over, s: an alarm for it is not false.

    Returns
    -------
    detected, false : int
    """
    detected = sum(
        any(s.onset_s - BEFORE_S <= t <= s.end_s for t in alarms_s) for s in seizures
    )
    false = sum(
        t < open_s - BEFORE_S
        and not any(s.onset_s - BEFORE_S <= t <= s.end_s + AFTER_S for s in seizures)
        for t in alarms_s
    )
    return detected, false


class VnsGathering(Gathering):
    """Keeps when the detector became active.

    Attributes
    ----------
    alarms_s : list of float
        Device time, which is that since the patient's first sample, s.
    """

    def __init__(self, tick_us: int) -> None:
        super().__init__(tick_us)
        self.alarms_s: list[float] = []
        self._active = False

    def decided(self, step: Step) -> None:
        """Whether an alarm begins."""
        active = step.active and not step.quality & _WARMUP
        if active and not self._active:
            self.alarms_s.append(step.t_us / 1e6)
        self._active = active


class Vns(Therapy[None, VnsWitness, VnsGathering]):
    """Vagus nerve stimulation."""

    outcome = VnsOutcome
    calibration = VnsCalibration
    calibrates = False

    def witness(
        self,
        patient: VnsPatient,
        baseline: None,  # noqa: ARG002
        calibration: Calibration,  # noqa: ARG002
    ) -> VnsWitness:
        """Who counts the truth of a patient."""
        return VnsWitness(patient)

    def gathering(
        self,
        tick_us: int,
        baseline: None,  # noqa: ARG002
        calibration: Calibration,  # noqa: ARG002
    ) -> VnsGathering:
        """Who counts what the loop does."""
        return VnsGathering(tick_us)

    def outcome_of(
        self,
        gathering: VnsGathering,
        witness: VnsWitness,
        baseline: None,  # noqa: ARG002
        group: Group,
    ) -> VnsOutcome:
        """The columns of a cell."""
        return VnsOutcome(
            **gathering.delivery(group, witness.time_on),
            **witness.columns(gathering.alarms_s),
        )
