"""The grid of a trial: its cells in one order, and what each of them needs of the others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop_lab.arms import Control
from stimloop_lab.cell import Cell, Subject
from stimloop_lab.therapy import Rest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop_lab.arms import Arm
    from stimloop_lab.patients import Patient
    from stimloop_lab.trial import Trial


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands in the grid.

    Attributes
    ----------
    patient : Patient
    arm : Arm
    seed : int
    duration_s : float
    """

    patient: Patient
    arm: Arm
    seed: int
    duration_s: float

    @property
    def key(self) -> str:
        """Its name, and that of its file."""
        return f"{self.patient.label}~{self.arm.name}~{self.seed}~{self.duration_s:g}s"

    @property
    def cost_s(self) -> float:
        """Patient time that has to be lived through, s: a yoked cell runs its donor too."""
        return self.duration_s * (2 if self.arm.control is Control.YOKED else 1)


def life(patient: Patient, seed: int) -> int:
    """Seed of a patient's noise in one life: patients of one seed share no noise.

    The same in every arm, so that arms can be compared sample by sample.
    """
    digest = hashlib.sha256(f"{patient.label}:{seed}".encode()).digest()
    return int.from_bytes(digest[:7], "little")


class Grid:
    """All cells of a trial.

    Parameters
    ----------
    trial : Trial

    Attributes
    ----------
    places : tuple of Place
        By duration, patient, seed and arm, in the order of the file.
    rests : dict of str to Rest
        Every calibration, by the name of its file.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.places = tuple(
            Place(patient, arm, seed, duration_s)
            for duration_s in trial.durations_s
            for patient in trial.patients
            for seed in trial.seeds
            for arm in trial.arms
        )
        therapy, calibration = trial.therapy, trial.calibration
        self.rests = {}
        if not therapy.calibrates:
            return
        # Arms of one look share a calibration.
        self._looks = {arm.name: therapy.look(arm) for arm in trial.arms}
        for number, look in enumerate(dict.fromkeys(self._looks.values())):
            arms = tuple(arm for arm in trial.arms if self._looks[arm.name] == look)
            for patient in trial.patients:
                self.rests[f"rest~{patient.label}~{number}"] = Rest(
                    trial.device,
                    trial.family,
                    patient,
                    arms,
                    life(patient, calibration.seed),  # type: ignore[attr-defined]  # it has one
                    calibration,
                )

    def needs(self, place: Place) -> tuple[str, ...]:
        """Names of the calibrations that a cell waits for."""
        if not self.rests:
            return ()
        return (
            self._rest(place.patient, place.arm),
            self._rest(self._donor(place)[0], place.arm),
        )

    def cell(self, place: Place, baselines: Mapping[str, Any]) -> Cell:
        """The cell, with what was found in calibration."""
        patient, seed = self._donor(place)
        own, donors = [baselines[name] for name in self.needs(place)] or (None, None)
        return Cell(
            self._trial.device,
            self._trial.family,
            Subject(place.patient, life(place.patient, place.seed), own),
            place.arm,
            place.duration_s,
            self._trial.calibration,
            Subject(patient, life(patient, seed), donors),
        )

    def periods(self) -> dict[tuple[str, int], dict[str, int]]:
        """For each patient and seed the position of each arm, from 1.

        That of the file, or, in a blinded trial, an order drawn for each.
        """
        names = [arm.name for arm in self._trial.arms]
        blinding = self._trial.blinding
        order = np.arange(len(names))
        rng = np.random.default_rng(None if blinding is None else [blinding.seed, 1])
        found = {}
        for patient in self._trial.patients:
            for seed in self._trial.seeds:
                drawn = order if blinding is None else rng.permutation(order)
                found[patient.label, seed] = {
                    names[at]: position + 1 for position, at in enumerate(drawn.tolist())
                }
        return found

    def codes(self) -> dict[str, str]:
        """What each arm is called: its name, or its code in a blinded trial."""
        names = [arm.name for arm in self._trial.arms]
        if self._trial.blinding is None:
            return {name: name for name in names}
        rng = np.random.default_rng([self._trial.blinding.seed, 0])
        drawn = rng.permutation(len(names)).tolist()
        return {name: f"arm {number + 1}" for name, number in zip(names, drawn, strict=True)}

    def _rest(self, patient: Patient, arm: Arm) -> str:
        looks = list(dict.fromkeys(self._looks.values()))
        return f"rest~{patient.label}~{looks.index(self._looks[arm.name])}"

    def _donor(self, place: Place) -> tuple[Patient, int]:
        """The next patient; of one patient alone, its next life."""
        if place.arm.control is not Control.YOKED:
            return place.patient, place.seed
        patients, seeds = self._trial.patients, self._trial.seeds
        if len(patients) > 1:
            at = patients.index(place.patient)
            return patients[(at + 1) % len(patients)], place.seed
        return place.patient, seeds[(seeds.index(place.seed) + 1) % len(seeds)]
