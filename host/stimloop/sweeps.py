"""What a sweep of amplitudes told: the level at each amplitude that was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp import Titration, titrate
from stimloop_dsp.values import UNTRUSTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.rehearsal import Decisions


@dataclass(frozen=True, slots=True)
class Plateau:
    """One amplitude that was kept.

    Attributes
    ----------
    amplitude_ua : int
        µA.
    begin_us, end_us : int
        Device time of its first and last tick, µs.
    level : float
        Mean of the trusted readings once it had settled, in the detector's unit; nan if none.
    spread : float
        Their standard deviation.
    """

    amplitude_ua: int
    begin_us: int
    end_us: int
    level: float
    spread: float


def plateaus(
    decisions: Decisions, *, least_s: float = 2.0, settle_s: float = 1.0
) -> tuple[Plateau, ...]:
    """Find the amplitudes that were kept for a while, in their order.

    Parameters
    ----------
    decisions : Decisions
    least_s : float
        A shorter one is part of a ramp, s.
    settle_s : float
        How much at its beginning does not count, s, below `least_s`.
    """
    amplitude_ua, t_us = decisions.admitted_ua, decisions.t_us
    edges = np.flatnonzero(np.diff(amplitude_ua)) + 1
    trusted = (decisions.quality & UNTRUSTED == 0) & np.isfinite(decisions.level)
    found = []
    for run in np.split(np.arange(t_us.size), edges):
        if not run.size or t_us[run[-1]] - t_us[run[0]] < least_s * 1e6:
            continue
        settled = run[trusted[run] & (t_us[run] - t_us[run[0]] >= settle_s * 1e6)]
        levels = decisions.level[settled]
        mean, spread = (levels.mean(), levels.std()) if levels.size else (np.nan, np.nan)
        found.append(
            Plateau(
                int(amplitude_ua[run[0]]),
                int(t_us[run[0]]),
                int(t_us[run[-1]]),
                float(mean),
                float(spread),
            )
        )
    return tuple(found)


def suppression_percent(found: Sequence[Plateau]) -> list[float]:
    """How much lower the level is than at the first plateau, percent, for each."""
    if not found or not found[0].level > 0:
        return [float("nan")] * len(found)
    return [100 * (1 - plateau.level / found[0].level) for plateau in found]


def titration(
    found: Sequence[Plateau], *, perception_ua: float, comfort_ua: float, discomfort_ua: float
) -> Titration:
    """Find the setpoint of an evoked response from a sweep.

    Parameters
    ----------
    found : sequence of Plateau
        At least five.
    perception_ua, comfort_ua, discomfort_ua : float
        As in `stimloop_dsp.titrate`.

    Raises
    ------
    ValueError
        As `stimloop_dsp.titrate`.
    """
    told = [plateau for plateau in found if np.isfinite(plateau.level)]
    return titrate(
        [plateau.amplitude_ua for plateau in told],
        [plateau.level for plateau in told],
        perception_ua=perception_ua,
        comfort_ua=comfort_ua,
        discomfort_ua=discomfort_ua,
    )
