"""From finished cells to a table, and from the table to means, differences and intervals."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from stimloop_lab.grid import life
from stimloop_lab.measures import measures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from stimloop_lab.grid import Grid
    from stimloop_lab.outcome import Outcome
    from stimloop_lab.therapy import Therapy
    from stimloop_lab.trial import Trial

NO_CLAIM = "virtual patients: no clinical claim"
RESAMPLES, FEWEST = 2000, 200
DRAWS = 20_000_000
"""Resamples of a bootstrap: fewer, where this many draws would not do for all."""
_PLACE = (
    ("patient", pa.string()),
    ("arm", pa.string()),
    ("seed", pa.int64()),
    ("noise_seed", pa.int64()),
    ("duration_s", pa.float64()),
    ("period", pa.int32()),
)
"""Which cell: the first columns of every therapy's results."""


def schema(therapy: Therapy[Any, Any, Any]) -> pa.Schema:
    """Columns of a therapy's results, a row for each finished cell; each tells what it is."""
    columns = [
        pa.field(
            m.name,
            pa.int64() if m.whole else pa.float64(),
            metadata={
                "unit": m.unit,
                "meaning": m.meaning,
                "reduction": m.reduction,
                "illustrative": str(m.illustrative).lower(),
            },
        )
        for m in measures(therapy.outcome)
    ]
    return pa.schema([*_PLACE, *columns], metadata={"notice": NO_CLAIM})


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
    metrics = _metrics(trial)
    rows = [
        {
            "patient": place.patient.label,
            "arm": codes[place.arm.name],
            "seed": place.seed,
            "noise_seed": life(place.patient, place.seed),
            "duration_s": place.duration_s,
            "period": periods[place.patient.label, place.seed][place.arm.name],
            **{name: getattr(outcomes[place.key], name) for name in metrics},
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
    return pa.Table.from_pylist(rows, schema(trial.therapy))


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
        ``trial``, ``notice``, ``blinded``, ``reference``, ``measures`` (what there is to know
        of each metric), and ``durations``: for each
        ``seconds``, ``arms`` and ``differences``, both arm → metric → ``mean``, ``low``,
        ``high`` (95 % bootstrap interval over patients and their seeds) and ``values``, a list
        with a value for each patient and seed, NaN where there is none.
    """
    codes, metrics = grid.codes(), _metrics(trial)
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
                    name: {metric: _told(cubes[code][metric]) for metric in metrics}
                    for code, name in shown.items()
                },
                "differences": {
                    name: {
                        metric: _told(cubes[code][metric] - cubes[reference][metric])
                        for metric in metrics
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
        "measures": [
            {
                "name": m.name,
                "label": m.label,
                "unit": m.shown,
                "factor": m.factor,
                "drawn": m.drawn,
                "illustrative": m.illustrative,
            }
            for m in measures(trial.therapy.outcome)
        ],
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


def _metrics(trial: Trial) -> list[str]:
    return [m.name for m in measures(trial.therapy.outcome)]


def _subjects(trial: Trial) -> list[tuple[Any, int]]:
    return [(patient, seed) for patient in trial.patients for seed in trial.seeds]


def _cube(
    trial: Trial, found: pa.Table, code: str, seconds: float
) -> dict[str, npt.NDArray[np.float64]]:
    """One arm's metrics, each an array of shape (patients, seeds)."""
    shape = (len(trial.patients), len(trial.seeds))
    at = {(p.label, s): n for n, (p, s) in enumerate(_subjects(trial))}
    metrics = _metrics(trial)
    columns = {name: found[name].to_numpy() for name in (*metrics, "seed", "duration_s")}
    patients, arms = found["patient"].to_pylist(), found["arm"].to_pylist()
    mine = [
        row
        for row, arm in enumerate(arms)
        if arm == code and columns["duration_s"][row] == seconds
    ]
    places = [at[patients[row], int(columns["seed"][row])] for row in mine]
    cube = {}
    for name in metrics:
        values = np.full(shape, np.nan)
        values.flat[places] = columns[name][mine]
        cube[name] = values
    return cube


def _told(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    mean, low, high = interval(values)
    return {"mean": mean, "low": low, "high": high, "values": values.ravel().tolist()}
