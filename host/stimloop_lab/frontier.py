"""The price of a detector: delay against false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_lab.signals import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_lab.contenders import Contender
    from stimloop_lab.signals import Signal

FALSE_TIMES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Shares of the time without bursts that the level is above the threshold."""
EQUAL = 0.01
"""The share at which detectors are compared."""
AFTER_S = 1.5
"""Time after a burst that counts neither as burst nor as quiet: filters are still falling."""


@dataclass(frozen=True)
class Price:
    """One detector at one threshold.

    Attributes
    ----------
    name, family : str
    false_time : float
        Share of quiet time above the threshold.
    median_ms, p90_ms : float
        Delay from a burst's onset, ms, over all bursts, where a burst that was not detected
        before its end has none: NaN where too many were missed to tell.
    missed : float
        Share of the bursts that were not.
    """

    name: str
    family: str
    false_time: float
    median_ms: float
    p90_ms: float
    missed: float


def prices(
    contender: Contender,
    scored: Signal,
    quiet: Signal | None = None,
    false_times: Sequence[float] = FALSE_TIMES,
) -> list[Price]:
    """Delay of a detector at each false-alarm time.

    Parameters
    ----------
    contender : Contender
    scored : Signal
        With bursts.
    quiet : Signal, optional
        Without, for the threshold; if not given, what is quiet in `scored`, more than 1.5 s
        after any burst.
    false_times : sequence of float
        Above 0 and below 1.
    """
    levels, settled = contender.levels(scored)
    if quiet is None:
        ends = runs(scored.truth)[:, 1]
        near = scored.truth.copy()
        for end in ends.tolist():
            near[end : end + round(AFTER_S * scored.fs_hz)] = True
        calm = levels[settled & ~near]
    else:
        silence, ready = contender.levels(quiet)
        calm = silence[ready]
    found = []
    for share in false_times:
        threshold = np.quantile(calm, 1 - share)
        delays_ms = []
        for onset, end in runs(scored.truth).tolist():
            # Already above at the onset is a false alarm or the burst before, no detection.
            if not settled[onset] or (onset and levels[onset - 1] > threshold):
                continue
            above = levels[onset:end] > threshold
            samples = int(np.argmax(above)) if above.any() else np.inf
            delays_ms.append(1000 * samples / scored.fs_hz)
        found.append(
            Price(
                contender.name,
                contender.family,
                share,
                _quantile(delays_ms, 0.5),
                _quantile(delays_ms, 0.9),
                float(np.mean(np.isinf(delays_ms))) if delays_ms else float("nan"),
            )
        )
    return found


def _quantile(delays_ms: Sequence[float], share: float) -> float:
    """NaN where it falls among those that never came."""
    if not delays_ms:
        return float("nan")
    value = float(np.quantile(delays_ms, share, method="inverted_cdf"))
    return value if np.isfinite(value) else float("nan")
