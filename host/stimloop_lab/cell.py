"""One cell of a trial: a patient, an arm, a seed and a duration through the whole loop.

Host session, wire, firmware and patient are those of every other session; only the log and,
in a control arm, the controller are the trial's. A cell depends on nothing but its value, so
that it can be run anywhere and in any order.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stimloop import assembly
from stimloop.leading import close_loop, record_rest
from stimloop_hw.vocabulary import StopMode
from stimloop_lab.arms import Arm, Control
from stimloop_lab.bedside import bedside
from stimloop_lab.controls import Follower, RandomDuty
from stimloop_lab.outcome import Gathering, Outcome
from stimloop_lab.therapies import THERAPIES
from stimloop_lab.treatment import led, treat

if TYPE_CHECKING:
    from stimloop.assembly import ControllerMaker
    from stimloop.session import Session
    from stimloop.watch import Watch
    from stimloop_lab.patients import Patient
    from stimloop_lab.therapy import Calibration, Rest


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient, one life of it, and what was found in its calibration.

    Attributes
    ----------
    patient : Patient
    seed : int
        Of its noise.
    baseline : object or None
        The therapy's; None where that calibrates nothing.
    """

    patient: Patient
    seed: int
    baseline: Any


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid.

    Attributes
    ----------
    device, family : str
        Name of the implant's profile, and whom that is for.
    subject : Subject
    arm : Arm
    duration_s : float
        Of therapy, s.
    calibration : Calibration
        The trial's.
    donor : Subject
        Whose amplitudes a yoked arm gets; else the subject itself.
    """

    device: str
    family: str
    subject: Subject
    arm: Arm
    duration_s: float
    calibration: Calibration
    donor: Subject


def run_rest(rest: Rest) -> Any:  # noqa: ANN401  # the therapy's baseline
    """Find out of a patient what its therapy's arms need.

    Raises
    ------
    StimloopError
        If the device does not allow the prescription, or the patient cannot be calibrated.
    """
    return THERAPIES[rest.family].rest(rest)


def run_cell(cell: Cell) -> Outcome:
    """Run one cell.

    Raises
    ------
    StimloopError
        If the device does not allow the prescription, or ends the therapy.
    """
    therapy = THERAPIES[cell.family]
    subject, baseline, calibration = cell.subject, cell.subject.baseline, cell.calibration
    control = cell.arm.control
    asked = therapy.prescription(cell.arm, baseline, on_host=control is not Control.THERAPY)
    with ExitStack() as stack:
        watch = partial(therapy.witness, baseline=baseline, calibration=calibration)
        link, witness = stack.enter_context(
            bedside(subject.patient.model, cell.device, subject.seed, watch)
        )
        limits = link.limits()
        log = therapy.gathering(assembly.tick_us(asked, limits), baseline, calibration)
        maker: ControllerMaker = assembly.controller
        follower = Follower()
        match control:
            case Control.SHAM | Control.YOKED:
                maker = follower.control
            case Control.RANDOM_DUTY:
                maker = RandomDuty(
                    duty=cell.arm.duty, mean_on_s=cell.arm.mean_on_s, seed=subject.seed
                ).control
        session = close_loop(link, asked, limits, log, maker=maker)
        if control is Control.YOKED:
            treat(session, witness, cell.duration_s, led(follower, _donor(cell, stack)))
        else:
            treat(session, witness, cell.duration_s)
        link.stop(StopMode.RAMP)
        record_rest(link, log, session.steps)
        return therapy.outcome_of(log, witness, baseline, asked.programs(limits))


def _donor(cell: Cell, stack: ExitStack) -> Session | Watch:
    """The therapy on the other patient, the very session of that patient's own cell."""
    therapy, donor = THERAPIES[cell.family], cell.donor
    watch = partial(therapy.witness, baseline=donor.baseline, calibration=cell.calibration)
    link, _ = stack.enter_context(bedside(donor.patient.model, cell.device, donor.seed, watch))
    limits = link.limits()
    asked = therapy.prescription(cell.arm, donor.baseline)
    # What a donor does is told by its own cell.
    return close_loop(link, asked, limits, Gathering(assembly.tick_us(asked, limits)))
