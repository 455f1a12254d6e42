"""Delay against false alarms, as a section of the page, and its picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from stimloop_lab import figures
from stimloop_lab.contenders import BASELINE, DEFAULT, contenders
from stimloop_lab.experiment import SHOWN, equal, panels

SEED = 0
SECONDS = 600.0
PICTURE = Path(__file__).parent.parent.parent / "docs" / "frontier.svg"


def told(value: float) -> str:
    """A delay, or that too many bursts were missed to tell one."""
    return "–" if math.isnan(value) else f"{value:.0f}"


def cell(row: dict[str, Any] | None) -> str:
    """One detector on one signal; None is one that does not run at its rate."""
    if row is None:
        return "–"
    return f"{told(row['median_ms'])} / {told(row['p90_ms'])} ({row['missed']:.0%})"


def section(_recordings: Path) -> str:
    """Return the Markdown section; draws the picture beside the page."""
    found = panels([SEED], SECONDS)
    figures.draw(found, SHOWN, PICTURE)
    at = {title: {row["name"]: row for row in equal(prices)} for title, prices in found.items()}
    names = [contender.name for contender in contenders(20.0)]
    header = " | ".join(at)
    rows = "\n".join(
        f"| {name} | " + " | ".join(cell(p.get(name)) for p in at.values()) + " |"
        for name in names
    )
    strong = at["synthetic bursts, SNR 2"]
    ratio = strong[BASELINE]["median_ms"] / strong[DEFAULT]["median_ms"]
    best = min(row["median_ms"] for row in strong.values())
    return f"""\
## The price of a detector

![Delay against false-alarm time of every detector](frontier.svg)

Bursts of 600 ms at 21 Hz in 1/f noise (1 kHz), and the virtual patient (250 Hz),
{SECONDS:.0f} s each. Every detector's threshold is set so that its level is above it for 1 % of
the time without bursts. Delay from a burst's onset to the decision, median / 90th percentile in
ms over all bursts, a missed one having none, and the share missed:

| detector | {header} |
|---|{"---|" * len(at)}
{rows}

The default of `BetaDetector` ({DEFAULT}) decides {ratio:.1f} times as fast as the usual
{BASELINE} at SNR 2; the fastest contender there takes {best:.0f} ms.
"""
