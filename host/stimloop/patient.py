"""What is left to the patient: a level inside the clinician's limits, and marks in time."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from stimloop.errors import Violation
from stimloop.quantities import exact
from stimloop_hw import Link
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import Adjust, Event, Mark, Status
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of
from stimloop_hw.vocabulary import EventCode, Role, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.tables import Patient, Stimulation
    from stimloop_hw.messages import Limits

LATEST_US = 500_000
"""A change of the level is void so long after it was decided."""


def violations(
    patient: Patient | None, asked: Stimulation, limits: Limits
) -> Iterator[Violation]:
    """Find levels that the clinician does not allow, or that the device does not have."""
    if patient is None:
        return
    lowest_ma, highest_ma = exact(patient.min_ma), exact(patient.max_ma)
    least_ma = exact(asked.amplitude_min_ma)
    if lowest_ma < least_ma or highest_ma > exact(asked.amplitude_ma):
        yield Violation(
            "patient.min_ma, max_ma",
            f"{patient.min_ma:g} to {patient.max_ma:g} mA",
            f"within {asked.amplitude_min_ma:g} to {asked.amplitude_ma:g} mA, the limits of "
            "the stimulation",
            "narrow it",
        )
        return
    runs = runs_of(limits, Parameter.AMPLITUDE_MAX_UA)
    level_ua, step_ua = highest_ma * 1000, exact(patient.step_ma) * 1000
    while level_ua >= lowest_ma * 1000:
        if not any(
            run.low <= level_ua <= run.high and (level_ua - run.low) % run.step == 0
            for run in runs
        ):
            yield Violation(
                "patient.step_ma",
                f"{patient.step_ma:g} mA, which leads to {float(level_ua / 1000):g} mA",
                "steps from max_ma downward that the device has",
                f"make it a multiple of {float(Fraction(runs[-1].step, 1000)):g} mA",
            )
            return
        level_ua -= step_ua


def adjust(url: str, steps: int, key: bytes = DEVELOPMENT_KEY) -> dict[str, Any]:
    """Move the patient's level by so many steps.

    Parameters
    ----------
    url : str
    steps : int
        Of the committed program, down if negative.
    key : bytes
        Pre-shared, 32 bytes.

    Returns
    -------
    dict
        ``state``; ``level_ma``, the largest amplitude that the therapy now has;
        ``amplitude_ma``, the present one.

    Raises
    ------
    OrderRefused
        If no therapy runs alone, the program leaves the patient no choice, or its limits end
        before.
    LinkError
        If the device does not answer, or does not accept the key.
    """
    with Link.open(url, key=key) as link:
        link.hello(Role.PATIENT)
        link.request(Adjust(steps), Status, link.t_us + LATEST_US)
        status = link.status()
        levels_ua = [
            notice.arg
            for notice in link.notices
            if isinstance(notice, Event) and notice.code == EventCode.PATIENT_LEVEL
        ]
    return {
        "state": State(status.state).name,
        "level_ma": levels_ua[-1] / 1000 if levels_ua else None,
        "amplitude_ma": status.amplitude_ua / 1000,
    }


def mark(url: str, number: int, key: bytes = DEVELOPMENT_KEY) -> dict[str, Any]:
    """Set a mark: the device writes it down, and tells everybody who listens.

    Parameters
    ----------
    url : str
    number : int
        0 to 255.
    key : bytes
        Pre-shared, 32 bytes.

    Returns
    -------
    dict
        ``mark``; ``t_us``, the device's time of it.

    Raises
    ------
    LinkError
        If the device does not answer, or does not accept the key.
    """
    with Link.open(url, key=key) as link:
        link.hello(Role.PATIENT)
        t_us = link.request(Mark(number), Status).t_us
    return {"mark": number, "t_us": t_us}
