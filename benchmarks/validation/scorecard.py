"""The score card of every detector, as a section of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_lab import score
from stimloop_lab.contenders import contenders

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = range(10)
SECONDS = 300.0


def cell(line: score.Line, name: str, form: str) -> str:
    """A mean and its interval."""
    mean, low, high = (getattr(s, name) for s in (line.mean, line.low, line.high))
    return f"{mean:{form}} ({low:{form}}-{high:{form}})"


def section(_recordings: Path) -> str:
    """Return the Markdown section."""
    rows = "\n".join(
        f"| {line.name} | {cell(line, 'sensitivity', '.2f')} "
        f"| {cell(line, 'false_per_min', '.1f')} | {cell(line, 'latency_ms', '.0f')} "
        f"| {cell(line, 'f1', '.2f')} | {cell(line, 'auc', '.3f')} |"
        for line in score.card(contenders(20.0), SEEDS, SECONDS)
    )
    return f"""\
## Score card

`stimloop detect --score`: {len(SEEDS)} seeds of the default virtual patient, {SECONDS:.0f} s
each, the same for every detector; mean and 95 % bootstrap interval over the seeds. The truth is
the generator's own amplitude above its 75th percentile for at least 100 ms. Each detector's
threshold is the 75th percentile of its level on another seed: a calibration on other noise. A
burst is found if a detection covers half of it or begins within 150 ms of its onset; a false
detection touches no burst. F1 and AUC go sample by sample, so they count delay as error. No
onset or termination counts were used: they would trade false detections for delay.

| detector | sensitivity | false [1/min] | latency [ms] | F1 | AUC |
|---|---|---|---|---|---|
{rows}
"""
