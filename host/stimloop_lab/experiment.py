"""``stimloop detect --score``: score card and frontier of every detector."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stimloop_lab import figures, frontier, score, signals
from stimloop_lab.contenders import BASELINE, DEFAULT, contenders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stimloop_lab.frontier import Price

SNRS = (1.0, 2.0, 4.0)
SHOWN = (
    DEFAULT,
    "13-35 Hz, order 4, pole 50 ms",
    "17-23 Hz, order 2, mean 400 ms",
    "sliding DFT, 250 ms",
    "resonator, 4 Hz",
    "endpoint Hilbert, 500 ms",
    BASELINE,
)
"""What the picture names, where the peak is at 20 Hz."""


def panels(seeds: Sequence[int], seconds: float) -> dict[str, list[list[Price]]]:
    """Prices of every contender on synthetic bursts of each strength, and on the patient.

    Parameters
    ----------
    seeds : sequence of int
        The first is used for noise and patient; the threshold of the synthetic panels comes
        from bursts' absence in the noise of the next number.
    seconds : float
        Length of each signal, s.
    """
    seed = seeds[0]
    quiet = signals.synthetic(seed + 1, seconds, 0.0)
    # The bursts are 1 Hz beside the peak that the contenders are set to, as bursts are.
    found = {
        f"synthetic bursts, SNR {snr:g}": [
            frontier.prices(contender, signals.synthetic(seed, seconds, snr), quiet)
            for contender in contenders(20.0, quiet.fs_hz)
        ]
        for snr in SNRS
    }
    found["virtual patient"] = [
        frontier.prices(contender, signals.patient(seed, seconds))
        for contender in contenders(20.0)
    ]
    return found


def run(seeds: Sequence[int], seconds: float, directory: Path | None) -> dict[str, Any]:
    """Score every detector, and write files if a directory is given.

    Parameters
    ----------
    seeds : sequence of int
        Of the virtual patient; the same for every detector.
    seconds : float
        Length of each signal, s, 20 or more.
    directory : Path, optional
        Receives ``score.json`` and ``frontier.svg``.

    Returns
    -------
    dict
        ``shown``: what the picture names; ``detectors``: name, threshold, and mean, low and
        high of each figure; ``frontier``: for each panel the contenders at a false-alarm time
        of 1 %, and how much faster than the baseline they are.
    """
    lines = score.card(contenders(20.0), seeds, seconds)
    found = panels(seeds, seconds)
    values: dict[str, Any] = {
        "patient": "default",
        "seeds": list(seeds),
        "seconds": seconds,
        "calibration_seed": score.CALIBRATION_SEED,
        "detectors": [asdict(line) for line in lines],
        "shown": list(SHOWN),
        "frontier": {title: equal(prices) for title, prices in found.items()},
    }
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        whole = values | {
            "prices": {t: [[asdict(p) for p in c] for c in cs] for t, cs in found.items()}
        }
        (directory / "score.json").write_text(json.dumps(whole, indent=1), "utf-8")
        figures.draw(found, SHOWN, directory / "frontier.svg")
    return values


def equal(contenders_prices: Sequence[Sequence[Price]]) -> list[dict[str, Any]]:
    """Every contender at the false-alarm time of comparison, the fastest first."""
    rows: list[Mapping[str, Any]] = [
        asdict(price)
        for prices in contenders_prices
        for price in prices
        if price.false_time == frontier.EQUAL
    ]
    (base,) = (row["median_ms"] for row in rows if row["name"] == BASELINE)
    return sorted(
        ({**row, "faster": base / row["median_ms"]} for row in rows),
        key=lambda row: row["median_ms"] if row["median_ms"] == row["median_ms"] else 1e9,
    )
