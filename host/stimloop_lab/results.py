"""From finished cells to a table, and from the table to means, differences and intervals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from stimloop_lab.grid import life
from stimloop_lab.outcome import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from stimloop_lab.grid import Grid
    from stimloop_lab.outcome import Outcome
    from stimloop_lab.trial import Trial

NO_CLAIM = "virtual patients: no clinical claim"
RESAMPLES, FEWEST = 2000, 200
DRAWS = 20_000_000
"""Resamples of a bootstrap: fewer, where this many draws would not do for all."""
_WHOLE = ("lost_samples", "refused", "stale", "orders")


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric as it is shown.

    Attributes
    ----------
    name : str
        Attribute of `Outcome`.
    label, unit : str
    factor : float
        From its unit to the shown one.
    """

    name: str
    label: str
    unit: str = ""
    factor: float = 1.0


MEASURES = (
    Measure("time_on", "Time with stimulation", "%", 100),
    Measure("mean_amplitude_ma", "Mean amplitude", "mA"),
    Measure("teed_uw", "Energy as power, TEED at 500 Ω", "µW"),
    Measure("teed_ratio", "TEED over that without pause", "%", 100),
    Measure("mean_error", "Mean error above the setpoint", "%", 100),
    Measure("bursts_per_s", "Bursts", "1/s"),
    Measure("mean_burst_ms", "Mean burst", "ms"),
    Measure("long_bursts", "Bursts over 600 ms, of all", "%", 100),
    Measure("long_per_min", "Bursts over 600 ms", "1/min"),
    Measure("switches_per_min", "Switchings", "1/min"),
    Measure("chattering_per_min", "Full swings of the amplitude", "1/min"),
    Measure("envelope_uv", "True beta amplitude", "µV"),
    Measure("envelope_ratio", "True amplitude over that at rest", "%", 100),
    Measure("net_charge_nc", "Net charge", "nC"),
    Measure("orders", "Orders sent"),
    Measure("lost_samples", "Samples lost"),
    Measure("refused", "Orders refused"),
    Measure("stale", "of these too late"),
)

SCHEMA = pa.schema(
    [
        ("patient", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int64()),
        ("noise_seed", pa.int64()),
        ("duration_s", pa.float64()),
        ("period", pa.int32()),
        *((name, pa.int64() if name in _WHOLE else pa.float64()) for name in METRICS),
    ],
    metadata={"notice": NO_CLAIM},
)
"""Columns of the results, a row for each finished cell."""


def table(trial: Trial, grid: Grid, outcomes: Mapping[str, Outcome]) -> pa.Table:
    """Every finished cell in the order of the grid, the arms by code in a blinded trial.

    Parameters
    ----------
    trial : Trial
    grid : Grid
    outcomes : mapping of str to Outcome
        By key of the place.
    """
    codes, periods = grid.codes(), grid.periods()
    rows = [
        {
            "patient": place.patient.label,
            "arm": codes[place.arm.name],
            "seed": place.seed,
            "noise_seed": life(place.patient, place.seed),
            "duration_s": place.duration_s,
            "period": periods[place.patient.label, place.seed][place.arm.name],
            **{name: getattr(outcomes[place.key], name) for name in METRICS},
        }
        for place in grid.places
        if place.key in outcomes
    ]
    if trial.blinding is not None:
        # Neither may the order within a patient tell which arm is which.
        ranks = {(p.label, s): n for n, (p, s) in enumerate(_subjects(trial))}
        rows.sort(
            key=lambda row: (
                trial.durations_s.index(row["duration_s"]),
                ranks[row["patient"], row["seed"]],
                row["period"],
            )
        )
    return pa.Table.from_pylist(rows, SCHEMA)


def write(found: pa.Table, path: Path) -> None:
    """Write the results as Parquet, whole or not at all."""
    part = path.with_suffix(".part")
    parquet.write_table(found, part)
    part.replace(path)


def tables(
    trial: Trial, grid: Grid, found: pa.Table, *, unblind: bool = False
) -> dict[str, Any]:
    """Means of every arm, and paired differences to the reference, with their intervals.

    Parameters
    ----------
    trial : Trial
    grid : Grid
    found : pyarrow.Table
        What `table` gave.
    unblind : bool
        Whether arms are called by their names in spite of the blinding.

    Returns
    -------
    dict
        ``trial``, ``notice``, ``blinded``, ``reference``, and ``durations``: for each
        ``seconds``, ``arms`` and ``differences``, both arm → metric → ``mean``, ``low``,
        ``high`` (95 % bootstrap interval over patients and their seeds) and ``values``, a list
        with a value for each patient and seed, NaN where there is none.
    """
    codes = grid.codes()
    shown = {
        code: name if unblind else code
        for name, code in sorted(codes.items(), key=lambda item: item[1])
    }
    if trial.blinding is None or unblind:
        shown = {codes[arm.name]: arm.name for arm in trial.arms}
    reference = codes[trial.reference]
    durations = []
    for seconds in trial.durations_s:
        cubes = {code: _cube(trial, found, code, seconds) for code in shown}
        durations.append(
            {
                "seconds": seconds,
                "arms": {
                    name: {metric: _told(cubes[code][metric]) for metric in METRICS}
                    for code, name in shown.items()
                },
                "differences": {
                    name: {
                        metric: _told(cubes[code][metric] - cubes[reference][metric])
                        for metric in METRICS
                    }
                    for code, name in shown.items()
                    if code != reference
                },
            }
        )
    return {
        "trial": trial.name,
        "notice": NO_CLAIM,
        "blinded": trial.blinding is not None and not unblind,
        "reference": shown[reference],
        "patients": [patient.label for patient in trial.patients],
        "seeds": list(trial.seeds),
        "durations": durations,
    }


def write_key(path: Path, grid: Grid) -> None:
    """Write what the codes of a blinded trial stand for."""
    text = json.dumps({code: name for name, code in sorted(grid.codes().items())}, indent=1)
    path.write_text(text + "\n", "utf-8")


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and its 95 % interval by a two-stage bootstrap: patients, and seeds of each.

    Parameters
    ----------
    values : ndarray of float64, shape (patients, seeds)
        NaN where there is none.

    Returns
    -------
    mean, low, high : float
        NaN where nothing is known; low and high too where there is but one value.
    """
    known = ~np.isnan(values)
    if not known.any():
        return (float("nan"),) * 3
    mean = float(values[known].mean())
    if np.count_nonzero(known) < 2:
        return mean, float("nan"), float("nan")
    drawn = _drawn(*values.shape)
    counts = (drawn * known.ravel()).sum(axis=1)
    sums = (drawn * np.where(known, values, 0.0).ravel()).sum(axis=1)
    low, high = np.percentile(sums[counts > 0] / counts[counts > 0], (2.5, 97.5)).tolist()
    return mean, low, high


@lru_cache(maxsize=1)
def _drawn(patients: int, seeds: int) -> npt.NDArray[np.float64]:
    """How often each patient and seed is in each resample, (resamples, patients * seeds)."""
    rng = np.random.default_rng(0)
    units = patients * seeds
    resamples = min(RESAMPLES, max(FEWEST, DRAWS // units))
    drawn = np.empty((resamples, units))
    for row in drawn:
        rows = rng.integers(0, patients, (patients, 1))
        columns = rng.integers(0, seeds, (patients, seeds))
        row[:] = np.bincount((rows * seeds + columns).ravel(), minlength=units)
    return drawn


def _subjects(trial: Trial) -> list[tuple[Any, int]]:
    return [(patient, seed) for patient in trial.patients for seed in trial.seeds]


def _cube(
    trial: Trial, found: pa.Table, code: str, seconds: float
) -> dict[str, npt.NDArray[np.float64]]:
    """One arm's metrics, each an array of shape (patients, seeds)."""
    shape = (len(trial.patients), len(trial.seeds))
    at = {(p.label, s): n for n, (p, s) in enumerate(_subjects(trial))}
    columns = {name: found[name].to_numpy() for name in (*METRICS, "seed", "duration_s")}
    patients, arms = found["patient"].to_pylist(), found["arm"].to_pylist()
    mine = [
        row
        for row, arm in enumerate(arms)
        if arm == code and columns["duration_s"][row] == seconds
    ]
    places = [at[patients[row], int(columns["seed"][row])] for row in mine]
    cube = {}
    for name in METRICS:
        values = np.full(shape, np.nan)
        values.flat[places] = columns[name][mine]
        cube[name] = values
    return cube


def _told(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    mean, low, high = interval(values)
    return {"mean": mean, "low": low, "high": high, "values": values.ravel().tolist()}
