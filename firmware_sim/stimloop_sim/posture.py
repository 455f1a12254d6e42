"""Postures of a patient with a spinal cord stimulator, and the sequence that they come in.

Gravity moves the spinal cord within its fluid, so that every posture has its own threshold and
its own slope of the response. The table is fitted by hand to the open loop of a published
single-patient experiment (PMC11041592, figure 1); what a closed loop makes of it is a
prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from stimloop_sim.parameter import PatientError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_S: Final = 86_400.0
"""Longest stay in one posture, s."""


@dataclass(frozen=True, slots=True)
class Posture:
    """One posture.

    Attributes
    ----------
    threshold_uc : float
        Charge per pulse at which fibres begin to respond, µC.
    slope_uv_uc : float
        Growth of the response above it, µV/µC.
    gravity_g : tuple of float
        What an accelerometer in the flank feels: towards the feet, to the right, to the back;
        illustrative.
    walks : bool
        Whether the steps of walking come on top.
    """

    threshold_uc: float
    slope_uv_uc: float
    gravity_g: tuple[float, float, float]
    walks: bool = False


POSTURES: Final[Mapping[str, Posture]] = MappingProxyType(
    {
        "sitting": Posture(0.90, 250.0, (0.97, 0.0, 0.26)),
        "standing": Posture(1.02, 200.0, (1.0, 0.0, 0.0)),
        "walking": Posture(0.98, 205.0, (1.0, 0.0, 0.0), walks=True),
        "supine": Posture(0.42, 385.0, (0.0, 0.0, 1.0)),
        "prone": Posture(1.15, 200.0, (0.0, 0.0, -1.0)),
    }
)
"""By name."""


@dataclass(frozen=True, slots=True)
class Course:
    """A sequence of postures, repeated for ever.

    Attributes
    ----------
    stays : tuple of (str, float)
        Each posture, and for how long, s.

    Raises
    ------
    PatientError
        One sentence, if there is none, or one is unknown or has no possible length.
    """

    stays: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if not self.stays:
            raise PatientError("a course of no posture was asked for; name at least one")
        for name, seconds in self.stays:
            if name not in POSTURES:
                near = get_close_matches(name, POSTURES, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise PatientError(
                    f"posture {name!r} is unknown; {hint}known are: {', '.join(POSTURES)}"
                )
            if not (math.isfinite(seconds) and 1.0 <= seconds <= LONGEST_S):
                raise PatientError(
                    f"{name} for {seconds:g} s is not possible; 1 to {LONGEST_S:g} s are"
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a course like ``sitting:30,supine:60``.

        Raises
        ------
        PatientError
            One sentence, if it cannot be read.
        """
        stays = []
        for part in text.split(","):
            name, _, seconds = part.partition(":")
            try:
                stays.append((name.strip(), float(seconds)))
            except ValueError:
                raise PatientError(
                    f"{part!r} is no stay in a posture; write POSTURE:SECONDS, like "
                    "sitting:30,supine:60"
                ) from None
        return cls(tuple(stays))

    @property
    def seconds(self) -> float:
        """Length of one round, s."""
        return sum(seconds for _, seconds in self.stays)

    def at(self, t_s: float) -> str:
        """Name of the posture at a time, s from the beginning."""
        left_s = t_s % self.seconds
        for name, seconds in self.stays:
            if left_s < seconds:
                return name
            left_s -= seconds
        return self.stays[-1][0]


PUBLISHED: Final = Course(
    (
        ("sitting", 30.0),
        ("standing", 30.0),
        ("walking", 20.0),
        ("supine", 34.0),
        ("prone", 16.0),
        ("sitting", 20.0),
    )
)
"""The 150 s of the experiment that the table was fitted to."""
