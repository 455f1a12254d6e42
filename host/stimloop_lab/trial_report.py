"""The page of a trial."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from stimloop.page import render
from stimloop_lab import trial_figures
from stimloop_lab.ledger import build, versions
from stimloop_lab.measures import measures
from stimloop_sim.patients import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stimloop_lab.measures import Measure
    from stimloop_lab.trial import Trial

FAILURES_SHOWN = 20
RESIDUE = 1e-9
"""A mean below this share of its interval is what rounding left of zero."""


def write(
    path: Path,
    trial: Trial,
    values: Mapping[str, Any],
    failed: Sequence[Mapping[str, str]],
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path
    trial : Trial
    values : mapping
        What `stimloop_lab.results.tables` gave.
    failed : sequence of mapping
        Cells that could not be run: ``cell`` and ``reason``.
    """
    page = render(
        "trial.html",
        "stimloop_lab",
        title=trial.name or "A trial",
        trial=trial,
        values=values,
        therapy=FAMILIES[trial.family].therapy,
        columns=measures(trial.therapy.outcome),
        durations=[
            _duration(told, measures(trial.therapy.outcome)) for told in values["durations"]
        ],
        failed=failed[:FAILURES_SHOWN],
        failures=len(failed),
        versions=versions(),
        build=build(),
    )
    part = path.with_suffix(".part")
    part.write_text(page, "utf-8")
    part.replace(path)


def _duration(told: Mapping[str, Any], shown: Sequence[Measure]) -> dict[str, Any]:
    drawings = {
        key: Markup(trial_figures.arms(told[key], shown, words))  # noqa: S704  our own SVG
        for key, words in (
            ("arms", "Every cell, mean and interval of each arm"),
            ("differences", "Differences of every cell to the reference arm"),
        )
        if told[key]
    }
    return {
        "seconds": told["seconds"],
        "drawings": drawings,
        **{key: (list(told[key]), _rows(told[key], shown)) for key in ("arms", "differences")},
    }


def _rows(
    arms: Mapping[str, Mapping[str, Any]], shown: Sequence[Measure]
) -> list[tuple[Measure, list[str]]]:
    return [
        (
            measure,
            [_shown(told[measure.name], measure.factor) for told in arms.values()],
        )
        for measure in shown
    ]


def _shown(told: Mapping[str, float], factor: float) -> str:
    mean, low, high = (told[key] * factor for key in ("mean", "low", "high"))
    if math.isnan(mean):
        return "–"
    if math.isnan(low):
        return _number(mean)
    if abs(mean) < RESIDUE * max(abs(low), abs(high)):
        mean = 0.0
    return f"{_number(mean)} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    if not value:
        return "0"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
