"""Cohorts: virtual patients drawn from declared distributions.

A member depends on its cohort's seed and its own number alone, not on the cohort's size, so its
name says all about it: ``sim://dbs?patient=dbs-7-12`` is member 12 of the cohort of seed 7. The
distributions are design choices: they spread what differs between patients around the fitted
patient, and are no estimate of a population.
"""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from stimloop_sim.cord import CORDS
from stimloop_sim.day import Day
from stimloop_sim.parameter import PatientError, changed
from stimloop_sim.patient import PatientModel
from stimloop_sim.vns import NERVES

LARGEST = 100_000
"""Members of a cohort."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How one parameter differs between patients.

    Attributes
    ----------
    middle : float
        Median.
    width : float
        Standard deviation, or for a `ratio` that of the natural logarithm.
    low, high : float
        A value outside is drawn again.
    ratio : bool
        Whether the logarithm is normal instead of the value.
    """

    middle: float
    width: float
    low: float
    high: float
    ratio: bool = False

    def draw(self, noise: np.random.Generator) -> float:
        """One value."""
        while True:
            normal = float(noise.standard_normal())
            if self.ratio:
                value = self.middle * math.exp(self.width * normal)
            else:
                value = self.middle + self.width * normal
            if self.low <= value <= self.high:
                return value

    def __str__(self) -> str:
        kind = "log-normal, factor" if self.ratio else "normal, ±"
        width = math.exp(self.width) if self.ratio else self.width
        return f"{self.middle:g}, {kind} {width:.3g}, within {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of patients.

    Attributes
    ----------
    family : str
        Whose device they may have: ``dbs``, ``scs`` or ``vns``.
    base : object
        The model that every member begins with, a dataclass.
    spreads : mapping of str to Spread
        By the path of a parameter, as `stimloop_sim.parameter.paths` gives it.
    """

    family: str
    base: Any
    spreads: Mapping[str, Spread]


_HEMISPHERE = {
    "growth_per_s": Spread(-7.58, 0.8, -12.0, -5.0),
    "drift_sd_per_s": Spread(3.90, 0.4, 2.5, 5.5),
    "suppression_per_s": Spread(10.0, 0.3, 4.0, 25.0, ratio=True),
    "peak_hz": Spread(20.0, 2.5, 14.0, 28.0),
    "gain_uv": Spread(20.0, 0.4, 8.0, 50.0, ratio=True),
    "pink_sd": Spread(0.098, 0.25, 0.05, 0.2, ratio=True),
    "side_effects.comfort_ma": Spread(3.0, 0.5, 2.0, 4.5),
}
_ROUND_THE_CLOCK = {
    "day.lag_min": Spread(25.0, 5.0, 10.0, 45.0),
    "day.elimination_min": Spread(75.0, 8.0, 60.0, 90.0),
    "day.night_per_s": Spread(7.0, 1.0, 4.0, 10.0),
    "day.wander_per_s": Spread(1.0, 0.2, 0.5, 2.0),
    "day.bed_h": Spread(23.0, 0.4, 22.0, 23.99),
    "day.rise_h": Spread(7.0, 0.5, 5.5, 8.5),
}
WAKING_DOSES_H = (7.0, 10.5, 14.0, 17.5, 21.0)
"""Levodopa every three and a half hours of the day."""
DAY = Day(doses_h=WAKING_DOSES_H, night_per_s=7.0, wander_per_s=1.0, moves_per_h=60.0)
"""A day with everything that happens in it."""

_CORD = {
    "threshold_factor": Spread(1.0, 0.12, 0.75, 1.3, ratio=True),
    "slope_factor": Spread(1.0, 0.2, 0.6, 1.7, ratio=True),
    "distance_mm": Spread(45.0, 1.5, 42.0, 48.0),
    "noise_uv": Spread(3.6, 0.2, 2.0, 6.0, ratio=True),
    "artefact_uv_uc": Spread(100.0, 0.4, 30.0, 300.0, ratio=True),
    "comfort": Spread(1.3, 0.04, 1.2, 1.4),
    "discomfort": Spread(1.65, 0.06, 1.5, 1.8),
}
_HEART = {
    "heart.rest_bpm": Spread(74.9, 9.0, 55.0, 100.0),
    "heart.r_uv": Spread(800.0, 0.3, 300.0, 2000.0, ratio=True),
    "activity.exertions_per_h": Spread(30.0, 0.3, 10.0, 60.0, ratio=True),
    "activity.exertion_bpm": Spread(30.0, 0.2, 15.0, 50.0, ratio=True),
    "epilepsy.per_day": Spread(5.0, 0.5, 1.0, 20.0, ratio=True),
    "epilepsy.rise_bpm": Spread(60.0, 10.0, 25.0, 95.0),
    "nerve.half_ma": Spread(1.0, 0.2, 0.6, 1.7, ratio=True),
    "nerve.p_stop": Spread(0.45, 0.07, 0.3, 0.6),
}
_CLUSTER = {
    path: spread for path, spread in _HEART.items() if not path.startswith("activity.")
} | {"epilepsy.per_day": Spread(180.0, 0.2, 100.0, 300.0, ratio=True)}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "dbs": Kind("dbs", PatientModel(), _HEMISPHERE),
        "dbs-day": Kind("dbs", PatientModel(day=DAY), _HEMISPHERE | _ROUND_THE_CLOCK),
        "scs": Kind("scs", CORDS["default"], _CORD),
        "scs-calm": Kind("scs", CORDS["calm"], _CORD),
        "vns": Kind("vns", NERVES["temporal"], _HEART),
        "vns-cluster": Kind("vns", NERVES["cluster"], _CLUSTER),
    }
)
"""What can be drawn: hemispheres off medication, and the same through a whole day; cords, and
the same without coughs; temporal lobe epilepsy, and clusters of it in people who sit."""


def cohort(kind: str, n: int, seed: int) -> dict[str, Any]:
    """Draw a cohort of virtual patients.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    n : int
        How many, 1 to `LARGEST`.
    seed : int
        Of the draw, 0 or more.

    Returns
    -------
    dict of str to model
        By name, in order; each name is one that ``sim://…?patient=NAME`` knows.

    Raises
    ------
    PatientError
        If the kind is unknown, or there are too many or too few members.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS) or sorted(KINDS)
        raise PatientError(f"there is no kind {kind!r} of patients; choose {' or '.join(near)}")
    if not 1 <= n <= LARGEST or seed < 0:
        raise PatientError(
            f"{n} patients of seed {seed} were asked for; choose 1 to {LARGEST}, and a seed "
            "of 0 or more"
        )
    return {f"{kind}-{seed}-{k}": _member(kind, seed, k) for k in range(n)}


def table(family: str) -> str:
    """The spreads of a family's kinds as Markdown."""
    parts = []
    for kind, told in KINDS.items():
        if told.family == family:
            lines = [f"| `{path}` | {spread} |" for path, spread in told.spreads.items()]
            head = f"`{kind}`:\n\n| parameter | median and spread |\n|---|---|"
            parts.append("\n".join([head, *lines]) + "\n")
    return "\n".join(parts)


def family_of(name: str) -> str:
    """Family of a name that a cohort gives; empty for every other name."""
    kind, _, number = _split(name)
    return KINDS[kind].family if kind in KINDS and number < LARGEST else ""


def member(name: str) -> Any:  # noqa: ANN401  # a model of its kind
    """Draw the one member that is called so; see `family_of`."""
    return _member(*_split(name))


def _split(name: str) -> tuple[str, int, int]:
    found = re.fullmatch(r"([a-z]+(?:-[a-z]+)*)-(\d{1,18})-(\d{1,6})", name, re.ASCII)
    return (found[1], int(found[2]), int(found[3])) if found else ("", 0, 0)


def _member(kind: str, seed: int, number: int) -> Any:  # noqa: ANN401
    noise = np.random.Generator(np.random.PCG64DXSM([seed, number]))
    drawn = {path: spread.draw(noise) for path, spread in KINDS[kind].spreads.items()}
    return changed(KINDS[kind].base, drawn)
