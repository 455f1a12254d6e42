"""The score card: how well a detector finds the virtual patient's bursts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import stats

from stimloop_lab import signals
from stimloop_lab.signals import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_lab.contenders import Contender
    from stimloop_lab.signals import Signal

NEAR_MS = 150.0
"""A detection that begins this near to a burst's onset has found it."""
COVERED = 0.5
"""So has one that covers this share of it."""
CALIBRATION_SEED = 1000
"""The patient whose own 75th percentile of the level is the threshold; never scored."""
RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """One detector on one signal, or the mean over several.

    Attributes
    ----------
    sensitivity : float
        Share of the bursts that were found.
    false_per_min : float
        Detections that touch no burst, per minute.
    latency_ms, latency_p95_ms : float
        Median and 95th percentile of the time from a burst's onset to the decision, where that
        came before its end, ms.
    f1 : float
        Harmonic mean of precision and recall, sample by sample.
    auc : float
        Probability that the level is higher in a burst than outside: without any threshold.
    fragments : float
        Detections for each burst that was found.
    bias_ms : float
        Mean duration of the detections less that of the bursts, ms.
    """

    sensitivity: float
    false_per_min: float
    latency_ms: float
    latency_p95_ms: float
    f1: float
    auc: float
    fragments: float
    bias_ms: float


NAMES = tuple(field.name for field in fields(Score))


def score(
    detected: npt.NDArray[np.bool_],
    levels: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    fs_hz: float,
) -> Score:
    """Compare decisions and levels with the truth.

    Parameters
    ----------
    detected, truth : ndarray of bool, shape (n,)
        At every sample; the truth has at least one burst and one sample outside.
    levels : ndarray of float64, shape (n,)
        At every sample.
    fs_hz : float
        Sampling rate, Hz.
    """
    bursts, found = runs(truth), runs(detected)
    near = NEAR_MS * fs_hz / 1000
    hits, fragments, latencies_ms = 0, 0, []
    for onset, end in bursts.tolist():
        inside = detected[onset:end]
        begins = (found[:, 0] >= onset - near) & (found[:, 0] <= onset + near)
        if inside.mean() >= COVERED or begins.any():
            hits += 1
            fragments += int(np.sum((found[:, 0] < end) & (found[:, 1] > onset)))
        if inside.any():
            latencies_ms.append(1000 * int(np.argmax(inside)) / fs_hz)
    touching = sum(bool(truth[onset:end].any()) for onset, end in found.tolist())
    both = int(np.sum(detected & truth))
    marked = int(np.sum(detected)) + int(np.sum(truth))
    quiet = ~truth
    ranks = stats.rankdata(levels)
    inside_count, outside_count = int(truth.sum()), int(quiet.sum())
    ranked = float(ranks[truth].sum()) - inside_count * (inside_count + 1) / 2
    lengths_ms = [
        1000 * float(np.mean(np.diff(mask))) / fs_hz if len(mask) else 0.0
        for mask in (found, bursts)
    ]
    return Score(
        sensitivity=hits / len(bursts),
        false_per_min=(len(found) - touching) / (len(truth) / fs_hz / 60),
        latency_ms=float(np.median(latencies_ms)) if latencies_ms else float("nan"),
        latency_p95_ms=float(np.percentile(latencies_ms, 95)) if latencies_ms else float("nan"),
        f1=2 * both / marked if marked else 0.0,
        auc=ranked / (inside_count * outside_count),
        fragments=fragments / hits if hits else float("nan"),
        bias_ms=lengths_ms[0] - lengths_ms[1],
    )


@dataclass(frozen=True)
class Line:
    """A detector on the score card.

    Attributes
    ----------
    name : str
    threshold : float
        In the detector's unit.
    mean, low, high : Score
        Mean over the seeds, and its 95 % bootstrap interval.
    """

    name: str
    threshold: float
    mean: Score
    low: Score
    high: Score


def line(contender: Contender, scored: Sequence[Signal], calibration: Signal) -> Line:
    """Score one detector on several signals, at a threshold from another."""
    levels, settled = contender.levels(calibration)
    threshold = float(np.percentile(levels[settled], signals.PERCENTILE))
    rows = []
    for signal in scored:
        levels, settled = contender.levels(signal)
        found = score(
            levels[settled] > threshold, levels[settled], signal.truth[settled], signal.fs_hz
        )
        rows.append([getattr(found, name) for name in NAMES])
    table = np.array(rows)
    rng = np.random.default_rng(0)
    means = table[rng.integers(0, len(table), (RESAMPLES, len(table)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return Line(
        contender.name,
        threshold,
        *(Score(*map(float, values)) for values in (table.mean(axis=0), low, high)),
    )


def card(contenders: Sequence[Contender], seeds: Sequence[int], seconds: float) -> list[Line]:
    """Score every detector on the same seeds of the virtual patient.

    Parameters
    ----------
    contenders : sequence of Contender
    seeds : sequence of int
        One or more; `CALIBRATION_SEED` is not among them.
    seconds : float
        Length of each signal, s, 20 or more.
    """
    if not seeds or CALIBRATION_SEED in seeds or not 20 <= seconds < 1e6:
        raise ValueError(
            f"A score on {len(seeds)} seeds of {seconds:g} s was asked for; give one seed or "
            f"more, none of them {CALIBRATION_SEED}, and 20 s or more."
        )
    scored = [signals.patient(seed, seconds) for seed in seeds]
    calibration = signals.patient(CALIBRATION_SEED, seconds)
    return [line(contender, scored, calibration) for contender in contenders]
