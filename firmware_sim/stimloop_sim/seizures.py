"""Seizures, drawn before anybody stimulates: when, how long, and what the heart does.

Numbers are those of Son et al. (2016), Journal of Epilepsy Research 6:16,
doi:10.14581/jer.16003 (83 temporal and 115 frontal seizures): rise of the heart rate and how
long it stays raised. Gamma distributions have their means and standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stimloop_sim.activity import STREAM
from stimloop_sim.parameter import Origin, check, parameter

SHORTEST_S = 10.0
"""No seizure is shorter by itself."""
RAISED_BEFORE_END = 0.6
"""Share of its time raised that the heart rate has behind it when the seizure ends by itself;
in the rest it returns. A choice: the source does not say."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilepsy:
    """How often seizures come, and what they do to the heart; the defaults are temporal.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    per_day: float = parameter(5.0, "1/day", 0, 500, Origin.CHOICE, "seizures")
    first_s: float = parameter(
        600.0, "s", 0, 86_400, Origin.CHOICE, "no seizure before this, from the first sample"
    )
    rising: float = parameter(
        0.71,
        "",
        0,
        1,
        Origin.PUBLISHED,
        "share of seizures with a rise of the heart rate (Eggleston et al. 2014, partial)",
    )
    rise_bpm: float = parameter(
        60.0, "bpm", 1, 150, Origin.PUBLISHED, "mean of that rise (Son et al. 2016)"
    )
    rise_sd_bpm: float = parameter(
        26.3, "bpm", 1, 80, Origin.PUBLISHED, "its standard deviation (Son et al. 2016)"
    )
    raised_s: float = parameter(
        93.8, "s", 10, 600, Origin.PUBLISHED, "mean time that it stays raised (Son et al. 2016)"
    )
    raised_sd_s: float = parameter(
        54.9, "s", 1, 300, Origin.PUBLISHED, "its standard deviation (Son et al. 2016)"
    )
    climb_s: float = parameter(
        15.0,
        "s",
        1,
        120,
        Origin.CHOICE,
        "length of the climb, at most a quarter of the raised time",
    )
    early: float = parameter(
        0.36,
        "",
        0,
        1,
        Origin.PUBLISHED,
        "share of rises before the onset (pooled, doi:10.1016/j.seizure.2018.01.003)",
    )
    early_s: float = parameter(
        15.0, "s", 0, 60, Origin.CHOICE, "longest lead of such a rise, evenly distributed"
    )
    late_s: float = parameter(
        10.0,
        "s",
        0,
        120,
        Origin.PUBLISHED,
        "median lag of the others, exponentially distributed (half of tachycardias begin "
        "within 10 s, Garcia et al. 2001)",
    )

    def __post_init__(self) -> None:
        check(self)


class Plan(NamedTuple):
    """A seizure as it would go untreated; times since the first sample, s.

    Attributes
    ----------
    onset_s, end_s : float
        Of the discharge in the brain.
    rise_at_s : float
        When the heart begins to climb.
    rise_bpm : float
        By how much it climbs; 0 where it does not.
    climb_s, return_s : float
        How long the climb takes, and the return once the seizure is over.
    chance, share : float
        Uniform deviates, 0 to 1: of whether a train ends it, and of how much one shortens it.
    """

    onset_s: float
    end_s: float
    rise_at_s: float
    rise_bpm: float
    climb_s: float
    return_s: float
    chance: float
    share: float


class Seizure(NamedTuple):
    """A seizure as it went; times since the first sample, s.

    Attributes
    ----------
    onset_s, end_s : float
        Of the discharge in the brain.
    untreated_s : float
        When it would have ended.
    rise_at_s, rise_bpm : float
        When the heart began to climb, and by how much; 0 where it did not.
    stopped : bool
        Whether a train has ended it.
    """

    onset_s: float
    end_s: float
    untreated_s: float
    rise_at_s: float
    rise_bpm: float
    stopped: bool


class Seizures:
    """One seizure after another, whatever stimulation makes of them.

    Parameters
    ----------
    epilepsy : Epilepsy
    seed : int
        0 or more.
    """

    def __init__(self, epilepsy: Epilepsy, seed: int) -> None:
        self.epilepsy = epilepsy
        self._draw = np.random.Generator(np.random.PCG64DXSM([seed, STREAM + 5]))
        self._clear_s = epilepsy.first_s

    def __call__(self) -> Plan:
        """The next one; infinitely late where none ever comes."""
        e, draw = self.epilepsy, self._draw
        gap, lag = draw.standard_exponential(2)
        rises, early, lead, chance, share = draw.random(5)
        rise_bpm = _gamma(draw, e.rise_bpm, e.rise_sd_bpm)
        raised_s = max(SHORTEST_S, _gamma(draw, e.raised_s, e.raised_sd_s))
        onset_s = self._clear_s + (gap * DAY_S / e.per_day if e.per_day else np.inf)
        lag_s = -lead * e.early_s if early < e.early else lag * e.late_s / np.log(2.0)
        rise_at_s = onset_s + lag_s
        end_s = max(rise_at_s + RAISED_BEFORE_END * raised_s, onset_s + SHORTEST_S)
        return_s = (1.0 - RAISED_BEFORE_END) * raised_s
        self._clear_s = end_s + return_s + e.early_s
        return Plan(
            onset_s,
            end_s,
            rise_at_s,
            rise_bpm if rises < e.rising else 0.0,
            min(e.climb_s, raised_s / 4.0),
            return_s,
            chance,
            share,
        )


def _gamma(draw: np.random.Generator, mean: float, sd: float) -> float:
    return float(draw.gamma((mean / sd) ** 2, sd**2 / mean))
