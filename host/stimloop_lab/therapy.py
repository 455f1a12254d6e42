"""What a trial has to know of a therapy: its patients' truth, its outcome, its calibration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field

from stimloop import prescription as prescriptions
from stimloop.quantities import Table

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop_lab.arms import Arm
    from stimloop_lab.outcome import Gathering, Outcome
    from stimloop_lab.patients import Patient
    from stimloop_lab.witness import Witness

B = TypeVar("B")
W = TypeVar("W", bound="Witness[Any]")
G = TypeVar("G", bound="Gathering")

Seed = Annotated[int, Field(ge=0, lt=10**18)]


class Calibration(Table):
    """What is found out of each patient before any arm, as the trial's file asks for it."""

    def told(self) -> str:
        """What was calibrated, in sentences of the report."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Rest:
    """A calibration to be run: one patient, before the trial.

    Attributes
    ----------
    device, family : str
        Name of the implant's profile, and whom that is for.
    patient : Patient
    arms : tuple of Arm
        Those that share it.
    seed : int
        Of the patient's noise.
    calibration : Calibration
    """

    device: str
    family: str
    patient: Patient
    arms: tuple[Arm, ...]
    seed: int
    calibration: Calibration


class Therapy(ABC, Generic[B, W, G]):
    """One therapy: its baseline, its witness, and who counts what its loop does.

    Attributes
    ----------
    outcome : type of Outcome
        Its columns.
    calibration : type of Calibration
        Its table in the trial's file.
    calibrates : bool
        Whether anything is run before the arms.
    arm_keys : frozenset of str
        Keys of an arm that take something from the calibration.
    """

    outcome: ClassVar[type[Outcome]]
    calibration: ClassVar[type[Calibration]]
    calibrates: ClassVar[bool] = True
    arm_keys: ClassVar[frozenset[str]] = frozenset()

    def prescription(
        self, arm: Arm, baseline: B | None = None, *, on_host: bool = False
    ) -> Prescription:
        """The prescription of an arm for one patient.

        Parameters
        ----------
        arm : Arm
        baseline : object or None
            What the calibration found; None before it.
        on_host : bool
            Whether the host decides in any case, where the controller is another one: no
            device controls for itself.

        Raises
        ------
        PrescriptionError
            If what comes out is refused.
        """
        tables = self.fitted(arm, baseline)
        if on_host:
            tables["controller"] = {**tables.get("controller", {}), "where": "host"}
        return prescriptions.of_tables(tables)

    def fitted(self, arm: Arm, baseline: B | None) -> dict[str, Any]:  # noqa: ARG002
        """An arm's tables with what was found in a patient; as they are, here."""
        return dict(arm.tables)

    def look(self, arm: Arm) -> str:  # noqa: ARG002
        """What a calibration depends on, as text: arms of one look share it."""
        return ""

    def rest(self, rest: Rest) -> B:
        """Run a calibration: the baseline, a dataclass.

        Raises
        ------
        StimloopError
            If the device does not allow it, or the patient cannot be calibrated.
        """
        raise NotImplementedError

    def kept(self, values: dict[str, Any]) -> B:
        """A baseline from what `dataclasses.asdict` and JSON made of it."""
        raise NotImplementedError

    @abstractmethod
    def witness(
        self,
        patient: Any,  # noqa: ANN401  # of the therapy
        baseline: B,
        calibration: Calibration,
    ) -> W:
        """Who counts the truth of a patient.

        Parameters
        ----------
        patient : object
            A simulated patient.
        baseline : object or None
        calibration : Calibration
        """

    @abstractmethod
    def gathering(self, tick_us: int, baseline: B, calibration: Calibration) -> G:
        """Who counts what the loop does; with ticks of so many µs."""

    @abstractmethod
    def outcome_of(self, gathering: G, witness: W, baseline: B, group: Group) -> Outcome:
        """The columns of a cell, from those who counted."""
