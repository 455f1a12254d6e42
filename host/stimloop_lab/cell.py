"""One cell of a trial: a patient, an arm, a seed and a duration through the whole loop.

Host session, wire, firmware and patient are those of every other session; only the log and,
in a control arm, the controller are the trial's. A cell depends on nothing but its value, so
that it can be run anywhere and in any order.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop import assembly
from stimloop.leading import close_loop, record_rest
from stimloop_dsp import Quality
from stimloop_hw.vocabulary import StopMode
from stimloop_lab.arms import Arm, Control, Follower, RandomDuty
from stimloop_lab.bedside import bedside
from stimloop_lab.outcome import Baseline, Gathering, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.assembly import ControllerMaker
    from stimloop.session import Session
    from stimloop.step import Step
    from stimloop.watch import Watch
    from stimloop_lab.bedside import Witness
    from stimloop_lab.trial import Patient


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient, one life of it, and what it is like without stimulation.

    Attributes
    ----------
    patient : Patient
    seed : int
        Of its noise.
    baseline : Baseline
    """

    patient: Patient
    seed: int
    baseline: Baseline


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid.

    Attributes
    ----------
    device : str
        Name of the implant's profile.
    subject : Subject
    arm : Arm
    duration_s : float
        Of therapy, s.
    burst_percentile, setpoint_percentile : float
        Of the baseline: where bursts and errors are counted.
    donor : Subject
        Whose amplitudes a yoked arm gets; else the subject itself.
    """

    device: str
    subject: Subject
    arm: Arm
    duration_s: float
    burst_percentile: float
    setpoint_percentile: float
    donor: Subject


@dataclass(frozen=True, slots=True)
class Rest:
    """A patient without stimulation, before the trial.

    Attributes
    ----------
    device : str
    patient : Patient
    arm : Arm
        Whose detector looks.
    seed : int
    duration_s : float
    percentiles : tuple of float
        Of the level, to be found.
    """

    device: str
    patient: Patient
    arm: Arm
    seed: int
    duration_s: float
    percentiles: tuple[float, ...]


class _Levels(Gathering):
    """Keeps the settled levels of a calibration, an hour's at most."""

    def __init__(self, tick_us: int) -> None:
        super().__init__(tick_us, burst_uv=1.0, setpoint_uv=1.0)
        self.levels_uv: list[float] = []

    def step(self, step: Step) -> None:
        if not step.quality & Quality.WARMUP:
            self.levels_uv.append(step.level)


def run_rest(rest: Rest) -> Baseline:
    """See what a patient is like without stimulation.

    Raises
    ------
    StimloopError
        If the device does not allow the prescription.
    """
    with bedside(rest.patient.model, rest.device, rest.seed) as (link, witness):
        limits = link.limits()
        asked = rest.arm.prescription({}, on_host=True)
        log = _Levels(assembly.tick_us(asked, limits))
        session = close_loop(link, asked, limits, log, maker=Follower().control)
        _treat(session, witness, rest.duration_s, lambda: None)
        link.stop(StopMode.GROUND)
    levels_uv = np.percentile(log.levels_uv, rest.percentiles).tolist()
    return Baseline(dict(zip(rest.percentiles, levels_uv, strict=True)), witness.envelope_uv)


def run_cell(cell: Cell) -> Outcome:
    """Run one cell.

    Raises
    ------
    StimloopError
        If the device does not allow the prescription, or ends the therapy.
    """
    subject, baseline = cell.subject, cell.subject.baseline
    with ExitStack() as stack:
        link, witness = stack.enter_context(
            bedside(subject.patient.model, cell.device, subject.seed)
        )
        limits = link.limits()
        control = cell.arm.control
        asked = cell.arm.prescription(
            baseline.levels_uv, on_host=control is not Control.THERAPY
        )
        log = Gathering(
            assembly.tick_us(asked, limits),
            burst_uv=baseline.levels_uv[cell.burst_percentile],
            setpoint_uv=baseline.levels_uv[cell.setpoint_percentile],
        )
        maker: ControllerMaker = assembly.controller
        lead: Callable[[], None] = _nobody
        match control:
            case Control.SHAM:
                maker = Follower().control
            case Control.RANDOM_DUTY:
                maker = RandomDuty(
                    duty=cell.arm.duty, mean_on_s=cell.arm.mean_on_s, seed=subject.seed
                ).control
            case Control.YOKED:
                follower = Follower()
                maker = follower.control
                lead = _led(follower, _donor(cell, stack))
        session = close_loop(link, asked, limits, log, maker=maker)
        _treat(session, witness, cell.duration_s, lead)
        link.stop(StopMode.RAMP)
        record_rest(link, log, session.steps)
        return log.outcome(
            asked.programs(limits), envelope_uv=witness.envelope_uv, baseline=baseline
        )


def _treat(
    session: Session | Watch, witness: Witness, duration_s: float, lead: Callable[[], None]
) -> None:
    """Step for so long, threshold capture not counted; `lead` goes before each step."""
    wanted = max(1, round(duration_s * 1e6 / session.tick_us))
    done = 0
    while done < wanted:
        lead()
        session.step()
        done += session.stimulating
        witness.listening = session.stimulating


def _nobody() -> None:
    """No other loop goes before."""


def _donor(cell: Cell, stack: ExitStack) -> Session | Watch:
    """The therapy on the other patient, the very session of that patient's own cell."""
    donor = cell.donor
    link, _ = stack.enter_context(bedside(donor.patient.model, cell.device, donor.seed))
    limits = link.limits()
    asked = cell.arm.prescription(donor.baseline.levels_uv)
    return close_loop(link, asked, limits, Deaf())


def _led(follower: Follower, donor: Session | Watch) -> Callable[[], None]:
    """What lets the donor decide a tick, and hands its order on."""

    def lead() -> None:
        step = donor.step()
        assert step is not None, "a virtual patient lives on"
        follower.follow(step)

    return lead


class Deaf(Gathering):
    """Counts nothing: what a donor does is told by its own cell."""

    def __init__(self) -> None:
        super().__init__(1, burst_uv=1.0, setpoint_uv=1.0)

    def step(self, step: Step) -> None:
        """A tick was decided."""
